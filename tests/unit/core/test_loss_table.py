"""Checks and completions of the loss table."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dcpt.core.errors import DataError
from dcpt.core.loss_table import LossTable


def frame(**columns: Any) -> pd.DataFrame:
    """Two rows that pass every check; `columns` replace some."""
    plain = {"N": [1e6, 2e6], "D": [1e8, 1e8], "r": [0.3, 0.3], "eval_set": "domain", "value": [2.5, 2.25]}
    return pd.DataFrame({**plain, **columns})


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"r": [0.3, 30]}, "t row 2: r = 30 is outside [0, 1]."),
        ({"r": [-0.1, 0.3]}, "t row 1: r = -0.1 is outside [0, 1]."),
        ({"r": ["0.3", "thirty%"]}, "t row 2: r = 'thirty%' is not a number."),
        ({"value": ["2.5", "30%"]}, "t row 2: value = '30%' is not a number."),
        ({"r_seen": [0.3, 3.0]}, "t row 2: r_seen = 3 is outside [0, 1]."),
        ({"N": [0, 1e6]}, "t row 1: N = 0 is not positive."),
        ({"N": ["7b", "1B"]}, "t row 1: N = '7b' is not a number."),
        ({"D": [-1, 1e6]}, "t row 1: D = -1 is negative."),
        ({"value": [2.5, float("inf")]}, "t row 2: value = inf is not a finite number."),
        ({"value": [2.5, None]}, "t row 2: value = nan is not a finite number."),
        ({"value": [2.5, 0]}, "t row 2: value = 0 is not a positive loss."),
        ({"sem": [0.1, float("inf")]}, "t row 2: sem = inf is not a finite number."),
        (
            {"phase": ["end", "middle"]},
            "t row 2: phase = middle is unknown; wanted one of pretraining, base, trunk",
        ),
        ({"eval_set": ["domain", None]}, "t row 2: eval_set is empty."),
        ({"eval_set": "law"}, "t: evaluation set 'law' is neither general nor domain."),
        ({"role": "general"}, "t: evaluation set 'domain' has the role 'general'; its name says domain."),
        ({"unit": ["a", "b"]}, "t: metric 'loss' comes in several units: a, b."),
        ({"N": 1e6}, "t row 2: stands twice (run_id=n1e+06-r0.3-s0, step=100000000, eval_set"),
        ({"run_id": "x", "r": [0.3, 1.3]}, "t row 2 (run x): r = 1.3 is outside"),
    ],
)
def test_what_is_refused(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as refused:
        LossTable.from_frame(frame(**columns), where="t")
    assert refused.value.message.startswith(message)


def test_structure_is_checked() -> None:
    with pytest.raises(DataError, match="t: the table is empty"):
        LossTable.from_frame(frame().iloc[:0], where="t")
    with pytest.raises(DataError, match="t: column 'value' is missing; found N, D, r, eval_set"):
        LossTable.from_frame(frame().drop(columns="value"), where="t")
    with pytest.raises(DataError, match="t: column 'value' stands twice"):
        LossTable.from_frame(frame(loss=1.0), columns={"loss": "value"}, where="t")
    with pytest.raises(DataError, match="t: a scale is given for 'eval_set'"):
        LossTable.from_frame(frame(), scale={"eval_set": 2.0}, where="t")
    with pytest.raises(DataError, match="role of 'domain' is 'law'"):
        LossTable.from_frame(frame(), roles={"domain": "law"}, where="t")


def test_rows_can_be_numbered_by_their_file() -> None:
    with pytest.raises(DataError, match="t row 41: r = 30 is outside"):
        LossTable.from_frame(frame(r=[0.3, 30]), where="t", rows=[7, 41])


def test_what_is_left_out_is_completed() -> None:
    table = LossTable.from_frame(frame(D=[0, 1e8]))
    row = table.frame.iloc[0]
    assert (row["phase"], row["metric"], row["unit"], row["role"]) == (
        "base",
        "loss",
        "nats_per_token",
        "domain",
    )
    assert (row["seed"], row["step"], row["tokens"], row["run_id"]) == (0, 0.0, 0.0, "n1e+06-r0.3-s0")
    assert table.frame["phase"].tolist() == ["base", "end"]


def test_empty_cells_are_completed_like_absent_columns() -> None:
    holes = {
        name: [None, None] for name in ("role", "metric", "unit", "seed", "phase", "run_id", "step", "tokens")
    }
    pd.testing.assert_frame_equal(
        LossTable.from_frame(frame(**holes)).frame, LossTable.from_frame(frame()).frame, check_dtype=False
    )
    half = LossTable.from_frame(frame(metric=[None, "bpb"], seed=[np.nan, 3.0], run_id=["a", None])).frame
    assert half["unit"].tolist() == ["nats_per_token", "bits_per_byte"]
    assert half["seed"].tolist() == [0, 3]
    assert half["run_id"].tolist() == ["a", "n2e+06-r0.3-s3"]


def test_roles_shares_and_groups() -> None:
    table = LossTable.from_frame(
        frame(eval_set=["law", "general/novels"], seed=[1, 1], N=[1e6, 1e6]), roles={"law": "domain"}
    )
    assert table.share.tolist() == [0.3, 0.7]
    assert table.groups.tolist() == [0, 0]
    assert table.eval_sets == ("law", "general/novels")
    assert len(table.select("law")) == 1
    assert len(table.select(metric="bpb")) == 0


def test_tables_on_disk(tmp_path: Path) -> None:
    """Comments at the head, compression, and a # inside a cell, which is none."""
    text = "# where from\n# and when\nrun_id,N,D,r,eval_set,value\na#1,1000,10,0.5,domain,2.5\n"
    (tmp_path / "a.csv").write_text(text)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("a.csv", "a.csv.gz"):
        read = LossTable.read(tmp_path / name).frame
        assert read["run_id"].tolist() == ["a#1"]
        assert read["value"].tolist() == [2.5]
    whole = (tmp_path / "a.csv.gz").read_bytes()
    broken = {
        "cut.csv.gz": whole[:-12], "b.parquet": b"no", "e.csv": b"", "f.csv": b"a,b\n1,2,3\n1\n1,2,3,4\n",
        "g.csv": b"a\n\xff\n",
    }  # fmt: skip
    for name, content in broken.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=f"{name}: cannot be read as a table"):
            LossTable.read(tmp_path / name)
    with pytest.raises(DataError, match="no such file; expected a loss table"):
        LossTable.read(tmp_path / "none.csv")


def test_whole_numbers_are_written_as_such(tmp_path: Path) -> None:
    """Seventy billion parameters keep every digit, and no number ends in .0."""
    path = LossTable.from_frame(frame(N=[70_553_706_496, 1e6])).write(tmp_path / "a.csv")
    assert ",70553706496," in path.read_text()
    assert ".0," not in path.read_text()


def test_shares_in_per_cent_and_sizes_with_letters_are_read() -> None:
    """As our own flags read them; a factor on the column would count the sign twice, and is refused."""
    table = LossTable.from_frame(frame(N=["100M", "1.5B"], r=["20%", "0.3"]))
    assert sorted(table.frame["N"].unique()) == [1e8, 1.5e9]
    assert sorted(table.frame["r"].unique()) == [0.2, 0.3]
    with pytest.raises(DataError, match="r = '20%' is not a number"):
        LossTable.from_frame(frame(r=["20%", "0.3"]), scale={"r": 0.01})
    with pytest.raises(DataError) as caught:
        LossTable.from_frame(frame(N=["100m", "1B"]))
    assert caught.value.hint == "magnitudes are k, K, M, G, B, T: 100M"


def plain(**columns: Any) -> pd.DataFrame:
    """N, D and value alone: what a law without the mixture needs."""
    return pd.DataFrame({"N": [1e6, 1e6, 2e6], "D": [1e8, 2e8, 1e8], "value": [2.5, 2.4, 2.25], **columns})


def test_ratio_and_evaluation_set_are_optional() -> None:
    table = LossTable.from_frame(plain())
    assert not table.has_ratios
    assert table.frame["r"].isna().all()
    assert (table.eval_sets, table.frame["role"].unique().tolist()) == (("general",), ["general"])
    assert np.isnan(table.share).all()
    named = LossTable.from_frame(plain(eval_set="c4"))
    assert named.frame["role"].tolist() == ["general"] * 3
    with pytest.raises(DataError, match="'c4' is neither general nor domain"):
        LossTable.from_frame(plain(eval_set="c4", r=0.5))
    with pytest.raises(DataError, match="t row 2: r = nan is not a finite number"):
        LossTable.from_frame(plain(r=[0.5, None, 0.5]), where="t")


@pytest.mark.parametrize(
    ("columns", "groups"),
    [
        ({}, [0, 1, 2]),  # nothing says which rows belong together
        ({"run": ["b", "b", "b"]}, [0, 0, 1]),  # a name of a run, and another size is another run
        ({"run": ["b", "a", "a"]}, [1, 0, 2]),
        ({"run_id": ["x", "x", "y"]}, [0, 0, 1]),
        ({"seed": [3, 3, 3]}, [0, 0, 1]),
        ({"r": 0.5}, [0, 0, 1]),
        ({"r": 0.5, "seed": [1, 2, 1]}, [0, 1, 2]),
        ({"r": 0.5, "seed": [1, 2, 1], "run": ["a", "a", "a"]}, [0, 0, 1]),
    ],
)
def test_what_counts_as_one_run(columns: dict[str, Any], groups: list[int]) -> None:
    table = LossTable.from_frame(plain(**columns))
    assert table.groups.tolist() == groups
    turned = LossTable.from_frame(plain(**columns).iloc[::-1], rows=[3, 2, 1])
    assert turned.groups.tolist() == groups[::-1]


def test_runs_and_extras_survive_the_disk(tmp_path: Path) -> None:
    frame = plain(run=["007", "007", "8"], U=[1e7, None, 3e7], note="x")
    table = LossTable.from_frame(frame, extras=("U",), scale={"U": 10.0})
    assert table.extras == ("U",)
    assert "note" not in table.frame
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        again = LossTable.read(table.write(tmp_path / name), extras=("U",))
        assert again.frame["U"].tolist()[::2] == [1e8, 3e8]
        assert again.groups.tolist() == [0, 0, 1]
        assert again.fingerprint == table.fingerprint
        assert LossTable.read(tmp_path / name).extras == ()
    with pytest.raises(DataError, match="column 'h1' is missing"):
        LossTable.from_frame(frame, extras=("h1",))
    with pytest.raises(DataError, match="t row 1: U = 'many' is not a number"):
        LossTable.from_frame(plain(U=["many", "1", "2"]), extras=("U",), where="t")
    with pytest.raises(DataError, match="row 2: run is empty"):
        LossTable.from_frame(plain(run=["a", None, "a"]))


def test_schedules_are_kept_where_they_are_given(tmp_path: Path) -> None:
    """Text with commas comes back from CSV; a table without them has no such columns."""
    text = "wsd(peak=0.001, steps=384, decay=77, shape=1-sqrt)"
    table = LossTable.from_frame(frame(schedule=[text, None], base_schedule=None))
    assert table.frame["schedule"].tolist() == [text, ""]
    assert table.frame["base_schedule"].tolist() == ["", ""]
    assert table.extras == ()
    again = LossTable.read(table.write(tmp_path / "t.csv"))
    assert again.frame["schedule"].tolist() == [text, ""]
    assert again.fingerprint == table.fingerprint
    assert "schedule" not in LossTable.from_frame(frame()).frame
