"""Files of mixtures: matched by name, and a documented answer for each mistake."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dcpt.core.errors import ConfigError, DataError
from dcpt.fit.mixtures import read_mixtures
from dcpt.fit.mixtures.mixture_files import align

SHARES = pd.DataFrame({"index": [1, 2, 3], "web": [0.5, 0.2, 1.0], "law": [0.5, 0.8, 0.0]})
LOSSES = pd.DataFrame({"index": [3, 1, 2], "metric/law": [4.0, 3.0, 2.0], "metric/web": [2.0, 3.0, 4.0]})


@pytest.fixture
def folder(tmp_path):
    def write(shares=SHARES, losses=LOSSES):
        shares.to_csv(tmp_path / "train_mixture_1m.csv", index=False)
        losses.to_csv(tmp_path / "train_pile_loss_1m.csv", index=False)
        return tmp_path

    return write


def test_runs_and_columns_are_matched_by_name(folder):
    table, report = read_mixtures(folder())
    assert table.index == ("1", "2", "3")
    assert table.losses[:, 0].tolist() == [3.0, 2.0, 4.0]
    assert str(report) == "3 rows read, 3 kept"
    turned, _ = read_mixtures(
        folder(SHARES[["law", "index", "web"]], LOSSES[["metric/web", "index", "metric/law"]])
    )
    again = align(turned, table)
    assert again.corpora == table.corpora
    assert again.shares.tolist() == table.shares.tolist()
    assert again.losses.tolist() == table.losses.tolist()


def test_a_corpus_and_a_loss_of_one_name_are_kept_apart(folder):
    table, _ = read_mixtures(
        folder(SHARES, LOSSES.rename(columns={"metric/law": "law", "metric/web": "web"}))
    )
    assert table.targets == ("law", "web")
    assert table.corpora == ("web", "law")
    assert table.losses[0].tolist() == [3.0, 3.0]
    assert table.shares[1].tolist() == [0.2, 0.8]


def test_what_is_left_out_is_counted(folder):
    losses = pd.concat([LOSSES, pd.DataFrame({"index": [9], "metric/law": [1.0], "metric/web": [1.0]})])
    losses.loc[losses["index"] == 2, "metric/web"] = np.nan
    table, report = read_mixtures(folder(losses=losses))
    assert len(table) == 2
    assert report.dropped == {"only in train_pile_loss_1m.csv": 1, "a loss is missing": 1}
    assert (report.read, report.kept) == (4, 2)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_one_table_with_prefixes(tmp_path, ending):
    frame = pd.DataFrame(
        {
            "share:web": [0.5, 0.2],
            "share:law": [0.5, 0.8],
            "loss:law": [3.0, 2.0],
            "D": [1e9, 1e9],
            "host": ["a", "b"],
        }
    )
    path = tmp_path / f"runs.{ending}"
    if ending == "csv":
        frame.to_csv(path, index=False)
    elif ending == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path)
    table, report = read_mixtures(path)
    assert (table.corpora, table.targets, table.index) == (("web", "law"), ("law",), ("1", "2"))
    assert table.D.tolist() == [1e9, 1e9]
    assert report.ignored == ("host",)
    mine, _ = read_mixtures(
        path, shares={"share:law": "L", "share:web": "W"}, losses={"loss:law": "x"}, columns={}
    )
    assert (mine.corpora, mine.targets, mine.D) == (("L", "W"), ("x",), None)


def change(frame, column, row, value):
    made = frame.astype({column: object})
    made.loc[row, column] = value
    return made


@pytest.mark.parametrize(
    ("shares", "losses", "words"),
    [
        (
            SHARES.assign(web=SHARES["web"] * 100, law=SHARES["law"] * 100),
            LOSSES,
            "percentages: divide them by 100",
        ),
        (
            change(SHARES, "web", 1, -0.2),
            LOSSES,
            "run 2: the share of web is -0.2; wanted a number from 0 to 1",
        ),
        (change(SHARES, "web", 1, None), LOSSES, "run 2: the share of web is missing"),
        (change(SHARES, "web", 1, "20%"), LOSSES, "run 2: web is '20%'; wanted a number"),
        (
            change(SHARES, "web", 1, 0.1),
            LOSSES,
            r"run 2: the shares sum to 0.9; wanted 1 within 0.01 \(1 of 3",
        ),
        (change(SHARES, "index", 1, 1), LOSSES, "run '1' stands twice; wanted each once"),
        (change(SHARES, "index", 1, None), LOSSES, "a row has no index"),
        (SHARES.rename(columns={"index": "id"}), LOSSES, "column 'index' is missing; found id, web, law"),
        (SHARES.assign(index=[7, 8, 9]), LOSSES, "no run in common"),
        (
            SHARES,
            change(LOSSES, "metric/web", 0, -1.0),
            "run 3: the loss of metric/web is -1; wanted a positive",
        ),
        (SHARES, LOSSES.assign(**{"metric/web": np.nan}), "column 'metric/web' is empty"),
        (SHARES[["index", "web"]].assign(web=1.0), LOSSES, "1 corpora"),
        (SHARES, LOSSES[["index"]], "0 targets"),
    ],
)
def test_each_mistake_is_named(folder, shares, losses, words):
    with pytest.raises(DataError, match=words):
        read_mixtures(folder(shares, losses))


def test_files_that_are_not_there_or_ambiguous(folder, tmp_path):
    with pytest.raises(DataError, match=r"train_mixture\*\.csv matches none; wanted one file"):
        read_mixtures(tmp_path)
    folder()
    SHARES.to_csv(tmp_path / "train_mixture_60m.csv", index=False)
    with pytest.raises(DataError, match=r"matches train_mixture_1m\.csv, train_mixture_60m\.csv"):
        read_mixtures(tmp_path)
    with pytest.raises(DataError, match="no such file"):
        read_mixtures(tmp_path / "absent.csv")
    with pytest.raises(DataError, match="no column begins with 'share:'"):
        read_mixtures(tmp_path / "train_pile_loss_1m.csv")
    with pytest.raises(ConfigError, match="'size' is none of a table"):
        read_mixtures(tmp_path / "train_mixture_1m.csv", shares="w", losses="l", columns={"web": "size"})


def test_a_sweep_s_table_says_sides_bases_and_names_of_runs(tmp_path):
    rows = {"run_id": ["a-1", "a-2"], "share:web": [0.4, 0.7], "share:law": [0.6, 0.3]}
    rows |= {"loss:web": [3.0, 2.9], "loss:law": [2.0, 2.2], "base:web": [3.1, 3.1], "base:law": [2.8, 2.8]}
    frame = pd.DataFrame(rows).assign(**{"side:web": "general", "side:law": "domain"})
    frame.to_csv(tmp_path / "mixtures.csv", index=False)
    table, report = read_mixtures(tmp_path / "mixtures.csv")
    assert (table.index, table.sides) == (("a-1", "a-2"), ("general", "domain"))
    assert table.base.tolist() == [[3.1, 2.8], [3.1, 2.8]]
    assert report.ignored == ()
    turned = align(
        table, read_mixtures(tmp_path / "mixtures.csv", losses={"loss:law": "law", "loss:web": "web"})[0]
    )
    assert turned.base.tolist() == [[2.8, 3.1], [2.8, 3.1]]
    frame.assign(**{"side:law": ["domain", "general"]}).to_csv(tmp_path / "odd.csv", index=False)
    with pytest.raises(
        DataError, match="'side:law' holds domain, general; wanted general or domain, the same"
    ):
        read_mixtures(tmp_path / "odd.csv")
    some = frame.drop(columns=["base:web", "side:web"])
    some.to_csv(tmp_path / "some.csv", index=False)
    table, report = read_mixtures(tmp_path / "some.csv")
    assert (table.sides, table.base) == (None, None)
    assert set(report.ignored) == {"side:law", "base:law"}
