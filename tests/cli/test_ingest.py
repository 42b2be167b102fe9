"""dcpt ingest csv: other people's columns, units and shapes, and what became of every row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dcpt.core.loss_table import LossTable

LONG = """\
# exported by hand
params_M,tokens_B,domain_pct,val_set,loss,note
70,1.5,30,med,2.5,a
70,1.5,30,general,3.1,a
160,1.5,30,med,2.3,b
160,1.5,30,general,,b
160,1.5,30,med,2.3,b
"""

FLAGS = (
    *("--map", "N=params_M", "--map", "D=tokens_B", "--map", "r=domain_pct"),
    *("--map", "eval_set=val_set", "--map", "value=loss"),
    *("--scale", "N=1M", "--scale", "D=1B", "--scale", "r=0.01", "--role", "med=domain"),
)

MAP = """\
schema_version: 1
columns: {N: params_M, D: tokens_B, r: domain_pct, eval_set: val_set, value: loss}
scale: {N: 1M, D: 1B, r: 1e-2}
roles: {med: domain}
"""


@pytest.fixture
def runs(folder: Path) -> Path:
    path = folder / "runs.csv"
    path.write_text(LONG)
    (folder / "map.yaml").write_text(MAP)
    return path


def rows(path: str = "losses.csv") -> list[tuple[Any, ...]]:
    frame = LossTable.read(path).frame
    return list(frame[["N", "D", "r", "eval_set", "role", "value"]].itertuples(index=False, name=None))


def test_flags(runs: Path, call: Callable[..., Any]) -> None:
    answer = call("ingest", "csv", "runs.csv", *FLAGS, "-o", "losses.csv")
    assert (answer.code, answer.out) == (0, "losses.csv\n")
    assert answer.err == (
        "5 rows read, 3 kept; 1 dropped: value is empty; 1 dropped: repeats another row; "
        "columns not used: note\n"
    )
    assert rows() == [
        (70e6, 1.5e9, 0.3, "med", "domain", 2.5),
        (70e6, 1.5e9, 0.3, "general", "general", 3.1),
        (160e6, 1.5e9, 0.3, "med", "domain", 2.3),
    ]


def test_a_map_file_says_the_same(runs: Path, call: Callable[..., Any]) -> None:
    by_flags = call("ingest", "csv", "runs.csv", *FLAGS, "-o", "a.csv")
    by_file = call("ingest", "csv", "runs.csv", "--columns", "map.yaml", "-o", "b.csv")
    assert by_flags.err == by_file.err
    assert Path("a.csv").read_text() == Path("b.csv").read_text()


def test_flags_win_over_the_map_file(runs: Path, call: Callable[..., Any]) -> None:
    words = ("--columns", "map.yaml", "--scale", "N=1k", "-o", "losses.parquet", "--json")
    document = call("ingest", "csv", "runs.csv", *words).document
    assert document["dropped"] == {"value is empty": 1, "repeats another row": 1}
    assert (document["read"], document["kept"], document["ignored"]) == (5, 3, ["note"])
    assert rows("losses.parquet")[0][0] == 70e3


@pytest.mark.parametrize("said", ["flag", "file"])
def test_wide(folder: Path, call: Callable[..., Any], said: str) -> None:
    Path("runs.csv").write_text("N,D,r,general,med,lr\n1e6,2e6,0.1,3.5,2.5,1e-3\n1e6,2e6,0.5,3.7,,1e-3\n")
    Path("map.yaml").write_text("schema_version: 1\nwide: true\nroles: {med: domain}\n")
    words = ("--wide", "--role", "med=domain") if said == "flag" else ("--columns", "map.yaml")
    answer = call("ingest", "csv", "runs.csv", *words, "-o", "losses.csv")
    assert answer.code == 0
    assert answer.err == "4 rows read, 3 kept; 1 dropped: value is empty; columns not used: lr\n"
    assert sorted(row[2:] for row in rows()) == [
        (0.1, "general", "general", 3.5), (0.1, "med", "domain", 2.5), (0.5, "general", "general", 3.7),
    ]  # fmt: skip


def test_percentages_are_not_guessed(runs: Path, call: Callable[..., Any]) -> None:
    words = [
        word for pair in zip(FLAGS[::2], FLAGS[1::2], strict=True) if "0.01" not in pair[1] for word in pair
    ]
    answer = call("ingest", "csv", "runs.csv", *words, "-o", "losses.csv")
    assert answer.code == 3
    assert "looks like a percentage; pass --scale r=0.01" in answer.err
    assert not Path("losses.csv").exists()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("columns: {value: loss}", "key 'schema_version' is missing"),
        ("schema_version: 2", "schema_version"),
        ("schema_version: 1\ncolumn: {value: loss}", "did you mean 'columns'?"),
        ("schema_version: 1\ncolumns: {vlaue: loss}", "did you mean 'value'?"),
        ("schema_version: 1\nscale: {s: 0.01}", "'s' is not a column of the loss table"),
        ("schema_version: 1\nscale: {r: one}", "wanted a number"),
        ("schema_version: 1\nscale: {r: 1%}", "0.4 for 40 %"),
        ("schema_version: 1\nroles: {med: both}", "roles.med"),
        ("schema_version: 1\nwide: sometimes", "wide"),
    ],
)
def test_mistakes_in_a_map_file(runs: Path, call: Callable[..., Any], text: str, part: str) -> None:
    Path("map.yaml").write_text(text)
    answer = call("ingest", "csv", "runs.csv", "--columns", "map.yaml", "-o", "losses.csv")
    assert answer.code == 2
    assert answer.err.startswith("ConfigError: map.yaml: ")
    assert part in answer.err


def test_an_imported_table_can_be_imported_again(runs: Path, call: Callable[..., Any]) -> None:
    call("ingest", "csv", "runs.csv", *FLAGS, "-o", "a.csv")
    again = call("ingest", "csv", "a.csv", "-o", "b.csv")
    assert again.err == "3 rows read, 3 kept\n"
    pd.testing.assert_frame_equal(pd.read_csv("a.csv"), pd.read_csv("b.csv"))


def test_every_column_of_the_table_can_be_mapped() -> None:
    from dcpt.core.loss_table import COLUMNS, SCHEDULES
    from dcpt.ingest.symbol_names import SYMBOLS

    assert (*COLUMNS, "run", *SCHEDULES) == SYMBOLS
