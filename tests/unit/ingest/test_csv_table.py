"""Other people's tables: maps, scales, wide files, and what becomes of each row."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from dcpt.core.errors import ConfigError, DataError
from dcpt.ingest.csv_table import read_cells, read_csv, to_table
from dcpt.ingest.reading import Reading


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "runs.csv"
    path.write_text(text)
    return path


LONG = "size,tokens,pct,set,eval/loss,note\n1e6,1e8,30,domain,2.5,x\n1e6,1e8,30,general,3.5,y\n"
MAP = {"N": "size", "D": "tokens", "r": "pct", "eval_set": "set", "value": "eval/loss"}


def test_columns_are_mapped_and_scaled(tmp_path: Path) -> None:
    table, report = read_csv(write(tmp_path, LONG), MAP, {"r": 0.01})
    assert table.frame["r"].tolist() == [0.3, 0.3]
    assert table.frame["source"].tolist() == ["runs.csv"] * 2
    assert (report.read, report.kept, dict(report.dropped), report.ignored) == (2, 2, {}, ("note",))
    assert str(report) == "2 rows read, 2 kept; columns not used: note"


def test_a_percentage_without_scale_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"runs.csv row 1.*: r = 30 is outside \[0, 1\]") as refused:
        read_csv(write(tmp_path, LONG), MAP)
    assert "pass --scale r=0.01" in str(refused.value)


def test_one_column_may_serve_two_symbols(tmp_path: Path) -> None:
    path = write(tmp_path, "N,seen,r,eval_set,value\n1e6,1e8,0.3,domain,2.5\n")
    table, report = read_csv(path, {"D": "seen", "step": "seen"})
    assert table.frame[["D", "step"]].to_numpy().tolist() == [[1e8, 1e8]]
    assert report.ignored == ()


def test_a_map_goes_before_a_column_of_that_name(tmp_path: Path) -> None:
    path = write(tmp_path, "N,D,r,eval_set,value,loss\n1e6,1e8,0.3,domain,9,2.5\n")
    table, report = read_csv(path, {"value": "loss"})
    assert table.frame["value"].tolist() == [2.5]
    assert report.ignored == ("value",)


def test_rows_are_dropped_by_reason_and_keep_their_numbers(tmp_path: Path) -> None:
    head = "N,D,r,eval_set,value\n"
    rows = "1e6,1e8,0.3,domain,2.5\n1e6,1e8,0.3,domain,\n1e6,1e8,0.3,domain,2.5\n"
    table, report = read_csv(write(tmp_path, head + rows))
    assert (report.read, report.kept) == (3, 1)
    assert dict(report.dropped) == {"value is empty": 1, "repeats another row": 1}
    assert len(table) == 1
    with pytest.raises(DataError, match=r"runs.csv row 4"):
        read_csv(write(tmp_path, head + rows + "1e6,1e8,7,domain,2.5\n"))
    with pytest.raises(DataError, match=r"none of its 1 rows can be used \(1: value is empty\)"):
        read_csv(write(tmp_path, head + "1e6,1e8,0.3,domain,\n"))


def test_wide_files(tmp_path: Path) -> None:
    text = "N,D,r,general,medical,note\n1e6,1e8,0.3,3.5,2.5,x\n1e6,2e8,0.3,,2.25,y\n"
    path = write(tmp_path, text)
    table, report = read_csv(path, roles={"medical": "domain"}, melt=True)
    found = table.frame.set_index(["run_id", "eval_set"])["value"].to_dict()
    assert found == {
        ("runs-1", "medical"): 2.5, ("runs-2", "medical"): 2.25, ("runs-1", "general"): 3.5,
    }  # fmt: skip
    assert (report.read, report.kept, report.ignored) == (4, 3, ("note",))
    with pytest.raises(DataError, match="evaluation set 'medcal', which a role is given for") as refused:
        read_csv(path, roles={"medcal": "domain"}, melt=True)
    assert refused.value.hint == "did you mean 'medical'?"
    with pytest.raises(DataError, match="no column is an evaluation set"):
        read_csv(write(tmp_path, "N,D,r,x\n1,1,0.5,2\n"), melt=True)
    with pytest.raises(DataError, match=r"row 2 \(run runs-2\): general = |row 2 \(run runs-2\): value = -1"):
        read_csv(write(tmp_path, "N,D,r,general\n1,1,0.5,2\n1,2,0.5,-1\n"), melt=True)


def test_mistakes_in_the_map(tmp_path: Path) -> None:
    path = write(tmp_path, LONG)
    with pytest.raises(ConfigError, match="map: 'loss' is not a column of the loss table"):
        read_csv(path, {"loss": "eval/loss"})
    with pytest.raises(DataError, match="column 'lss', mapped to value, is missing; found size, tokens"):
        read_csv(path, {**MAP, "value": "lss"})
    with pytest.raises(DataError, match="column 'N' is missing"):
        read_csv(path)
    with pytest.raises(DataError, match="no such file; expected a table of losses"):
        read_csv(tmp_path / "none.csv")


def test_shares_written_with_a_percent_sign_are_read(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("N,D,r,eval_set,value\n1e6,2e6,10%,domain,3.1\n1e6,2e6,25 %,domain,3.0\n")
    table, _ = read_csv(path)
    assert list(table.frame["r"]) == [0.1, 0.25]


@pytest.mark.parametrize(("header", "row", "name"), [("N,D", "50e6,8", "D"), ("N,D", "0.05,8e9", "N")])
def test_billions_without_a_scale_are_refused(tmp_path: Path, header: str, row: str, name: str) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(f"{header},r,eval_set,value\n{row},0.1,domain,3.1\n")
    with pytest.raises(DataError, match=rf"{name} goes up to .*\n.*--scale {name}=1e9"):
        read_csv(path)


def test_a_missing_column_is_named_beside_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("params,tokens,pct,set,loss\n1,2,3,domain,4\n")
    with pytest.raises(DataError, match=r"column 'N' is missing; found params, tokens, pct, set, loss"):
        read_csv(path)


@pytest.mark.parametrize("roles", [{}, {"x": "domain"}])
def test_a_header_alone_names_its_columns(tmp_path: Path, roles: dict[str, str]) -> None:
    with pytest.raises(DataError, match=r"empty: a header \(params, tokens, loss\) and no rows"):
        read_csv(write(tmp_path, "params,tokens,loss\n"), roles=roles, melt=bool(roles))


TWO_SETS = "N,D,value,{name}\n" + "".join(
    f"{N}e6,1e9,{3 - N / 9 + (s == 'b')},{s}\n" for N in (1, 2, 4) for s in "ab"
)


def test_sets_that_are_taken_for_one_are_said(tmp_path: Path) -> None:
    """A column that tells rows of one design apart, or is called as such columns are."""
    for name in ("which", "dataset"):
        _, report = read_csv(write(tmp_path, TWO_SETS.format(name=name)))
        assert any(f"--map eval_set={name}" in note and "(a, b)" in note for note in report.notes)
    _, mapped = read_csv(write(tmp_path, TWO_SETS.format(name="which")), {"eval_set": "which"})
    assert not mapped.notes
    one = "N,D,value,note\n" + "".join(f"{N}e6,1e9,{3 - N / 9},{N % 2}x\n" for N in (1, 2, 4))
    assert not read_csv(write(tmp_path, one))[1].notes


def test_schedules_are_kept_and_may_be_empty(tmp_path: Path) -> None:
    """A base has no base schedule; a column of another name is mapped."""
    text = "wsd(peak=0.001, steps=10, decay=2, shape=1-sqrt)"
    frame = pd.DataFrame(
        {
            "run_id": ["a", "b"], "N": [1e6, 1e6], "D": [0, 1e6], "r": [0, 0.5], "value": [3.0, 2.5],
            "eval_set": "general", "plan": text, "base_schedule": ["", text],
        }
    )  # fmt: skip
    frame.to_csv(tmp_path / "runs.csv", index=False)
    table, report = read_csv(tmp_path / "runs.csv", columns={"schedule": "plan"})
    assert not report.dropped
    assert table.frame["schedule"].tolist() == [text, text]
    assert table.frame["base_schedule"].tolist() == ["", text]


@pytest.mark.parametrize(("share", "scale"), [("0.3", {}), ("30%", {}), ("30", {"r": 0.01})])
@pytest.mark.parametrize("strict", [False, True])
def test_an_empty_ratio_of_a_base_is_no_ratio(
    tmp_path: Path, share: str, scale: dict[str, float], strict: bool
) -> None:
    """A model before continual pre-training has seen no mixture: our own tables have r = 0 there."""
    rows = f"1e6,0,,domain,3.5\n1e6,1e8,{share},domain,2.5\n2e6,0.0,,domain,3.1\n"
    path = write(tmp_path, "N,D,mix,eval_set,value\n" + rows)
    reading = Reading(columns={"r": "mix"}, scale=scale)
    table, report = to_table(*read_cells(path, reading)[:1], path, reading, strict=strict)
    assert table.frame["r"].tolist() == [0.0, pytest.approx(0.3), 0.0]
    assert table.frame["phase"].tolist() == ["base", "end", "base"]
    assert not report.dropped


def test_an_empty_ratio_of_a_trained_row_is_refused(tmp_path: Path) -> None:
    head = "N,D,mix,eval_set,value\n1e6,1e8,0.3,domain,2.5\n1e6,2e8,,domain,2.4\n"
    reading = Reading(columns={"r": "mix"})
    hints = {}
    for base in ("", "1e6,0,,domain,3.5\n"):
        path = write(tmp_path, head + base)
        with pytest.raises(DataError, match=r"row 2: r is empty \(in 1 of [23] rows\)") as refused:
            to_table(*read_cells(path, reading)[:1], path, reading, strict=True)
        hints[base] = str(refused.value.hint)
    for hint in hints.values():
        assert "fill in the domain share" in hint
        assert "--where 'mix!='" in hint
    assert ["the bases, D = 0, too" in hint for hint in hints.values()] == [False, True]
