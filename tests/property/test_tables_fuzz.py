"""Whatever stands in a file, `dcpt fit` answers: an exit code of its own, no traceback, no wrong numbers.

Counts of examples follow the loaded hypothesis profile: a quarter of its `max_examples` for whole fits.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.table_file import read_frame
from dcpt.ingest.csv_table import CREDIBLE
from dcpt.ingest.row_filter import keep_rows

FITS = max(1, settings().max_examples // 4)
QUICK = ("--bootstrap", "0", "--no-holdouts", "--json")
MAP = ("--map", "N=params,D=tokens,value=loss")
TRUTH = {"E": 1.817, "A": 477.8, "B": 2143.0, "alpha": 0.347, "beta": 0.367}


def run(*words: str) -> tuple[int, dict[str, Any] | None, str]:
    """Exit code, the document on stdout (None: nothing there), and what was said of ``dcpt WORDS``."""
    from dcpt.cli import main as entry

    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["dcpt", *words])
        try:
            entry.main()
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
    assert code in (0, 2, 3, 4, 5), err.getvalue()
    assert "Traceback" not in err.getvalue()
    assert "broke down" not in err.getvalue()
    text = out.getvalue()
    document = json.loads(text, parse_constant=pytest.fail) if text else None
    assert (document is None) == (code not in (0, 5)), (code, text, err.getvalue())
    if code not in (0, 5):
        assert err.getvalue().strip()
    return code, document, err.getvalue()


def fit(name: str, data: bytes, *words: str) -> tuple[int, dict[str, Any] | None, str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        return run("fit", str(path), *QUICK, *words)


def losses(N: Any, D: Any) -> Any:
    return TRUTH["E"] + TRUTH["A"] * N ** -TRUTH["alpha"] + TRUTH["B"] * D ** -TRUTH["beta"]


def design() -> pd.DataFrame:
    """Twelve losses without noise."""
    N, D = (part.ravel() for part in np.meshgrid([1e8, 4e8, 1.6e9], [2e9, 6e9, 2e10, 6e10]))
    return pd.DataFrame({"params": N, "tokens": D, "loss": losses(N, D), "name": "a"})


HEAD = b"params,tokens,loss\n1e8,2e9,3.1\n"
NAMES = st.sampled_from(("a.csv", "a.csv.gz", "a.jsonl", "a.jsonl.gz", "a.parquet", "a.txt"))


@settings(max_examples=FITS)
@given(NAMES, st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode)))
@example("a.csv", b"")
@example("a.csv", b"\xef\xbb\xbfparams,tokens,loss\n")
@example("a.csv", HEAD + b'"')
@example("a.csv", HEAD + b"1,2,3,4\n")
@example("a.csv", b"params,tokens,loss\n1e8,2e9,3.1,\n2e8,2e9,3.0,\n")
@example("a.csv", b"params;tokens;loss\n1e8;2e9;3,1\n")
@example("a.csv", b"params,tokens,loss,loss\n1e8,2e9,3.1,9\n")
@example("a.csv", b"params,tokens,loss\n1e8,2e9,\xff\n")
@example("a.csv", HEAD + b"1" * 5000 + b",2,3\n")
@example("a.csv.gz", gzip.compress(HEAD)[:-9])
@example("a.jsonl", b"[" * 100_000)
@example("a.jsonl", b'{"params": ' + b"1" * 5000 + b', "tokens": 1, "loss": 1}\n')
@example("a.jsonl", b'{"params": 1, "params": 2, "tokens": 1, "loss": 1}\n')
@example("a.jsonl", b'{"params": {"a": 1}, "tokens": 1, "loss": 1}\n')
@example("a.jsonl", b'[{"params": 1}]')
@example("a.parquet", b"PAR1" + b"\0" * 20 + b"PAR1")
def test_any_bytes_have_an_answer(name: str, data: bytes) -> None:
    code, _, said = fit(name, data, "--law", "chinchilla", *MAP)
    assert code in (3, 4), said


odd = st.one_of(
    st.none(),
    st.sampled_from((float("nan"), math.inf, -math.inf, 0.0, -1.0, 1e308, 5e-324, 10**400, 2**64, True)),
    st.sampled_from(
        ("", " ", "7B", "1,000", "30%", "abc", "NaN", "0x10", "1_000", "1e999", "é", "2024-01-01")
    ),
    st.floats(),
    st.integers(),
)
EMPTY = ("", "NaN")
"""Words that pandas reads as an empty cell of a CSV file."""


def number(cell: Any) -> float:
    """What a cell is as a number; nan for empty and for everything that is none."""
    if isinstance(cell, bool) or cell is None or (isinstance(cell, str) and "_" in cell):
        return math.nan
    try:
        return float(cell)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.nan


@settings(max_examples=FITS)
@given(st.integers(0, 11), st.sampled_from(("params", "tokens", "loss")), odd, st.booleans())
@example(0, "loss", None, False)
@example(3, "params", 10**400, False)
@example(3, "tokens", True, True)
def test_one_odd_cell_is_refused_or_fitted_as_it_stands(row: int, name: str, cell: Any, lines: bool) -> None:
    """The reader's answer is that of reading the cell alone; a fit saw every row."""
    frame = design().astype(object)
    frame.loc[row, name] = cell
    if lines:
        text = "".join(json.dumps(item) + "\n" for item in frame.to_dict("records"))
        code, document, said = fit("a.jsonl", text.encode(), "--law", "chinchilla", *MAP)
    else:
        assume(not isinstance(cell, str) or cell.strip() or not cell)
        code, document, said = fit("a.csv", frame.to_csv(index=False).encode(), "--law", "chinchilla", *MAP)
    value = number(cell)
    low, high = CREDIBLE["value" if name == "loss" else "N"]
    good = low <= value <= high or (value == 0 and name == "tokens")
    assert (code == 3) == (not good), said
    if code == 3:
        assert f"row {row + 1}" in said
    if document is not None:
        assert document["rows"] == (11 if value == 0 else 12)
        assert document["table"]["rows_kept"] == document["table"]["rows_read"] == 12


@settings(max_examples=FITS)
@given(
    st.permutations(range(12)),
    st.sampled_from((1.0, 1e-6, 1e-9)),
    st.sampled_from(("a.csv", "a.csv.gz", "a.jsonl", "a.parquet")),
    st.integers(0, 3),
)
def test_a_clean_table_gives_its_law_back_in_any_order_unit_and_format(
    order: list[int], unit: float, name: str, repeats: int
) -> None:
    """Noiseless losses: the parameters are the truth; exact repeats of rows change nothing."""
    from dcpt.core.table_file import write_frame

    frame = design().iloc[[*order, *order[:repeats]]]
    frame = frame.assign(params=frame["params"] * unit, tokens=frame["tokens"] * unit)
    with tempfile.TemporaryDirectory() as folder:
        path = write_frame(Path(folder) / name, frame)
        scale = () if unit == 1.0 else ("--scale", f"N={1 / unit:g}", "--scale", f"D={1 / unit:g}")
        code, document, said = run("fit", str(path), *QUICK, "--law", "chinchilla", *MAP, *scale)
    assert code == 0, said
    assert document is not None
    assert document["params"] == pytest.approx(TRUTH, rel=1e-4)
    assert document["rows"] == 12
    assert document["table"]["dropped"] == ({"repeats another row": repeats} if repeats else {})
    assert document["r2"] == pytest.approx(1, abs=1e-9)


@st.composite
def crooked(draw: st.DrawFn) -> pd.DataFrame:
    """A table of the right columns and any numbers that pass for sizes, tokens, ratios and losses."""
    length = draw(st.integers(1, 30))

    def column(kind: st.SearchStrategy[Any]) -> list[Any]:
        few = draw(st.lists(kind, min_size=1, max_size=draw(st.integers(1, length))))
        return [few[index % len(few)] for index in draw(st.permutations(range(length)))]

    plain = {
        "N": column(st.floats(1e-3, 1e16)),
        "D": column(st.one_of(st.just(0.0), st.floats(1.0, 1e18))),
        "value": column(st.floats(1e-6, 1e6)),
        "r": column(st.floats(0, 1)),
        "seed": column(st.integers(0, 3)),
        "run": column(st.sampled_from("abc")),
        "eval_set": column(st.sampled_from(("general", "domain"))),
        "phase": column(st.sampled_from(("end", "trunk", "base"))),
    }
    left_out = draw(st.sets(st.sampled_from(("r", "seed", "run", "eval_set", "phase"))))
    return pd.DataFrame({name: cells for name, cells in plain.items() if name not in left_out})


@settings(max_examples=FITS)
@given(crooked(), st.sampled_from(("chinchilla", "d-cpt")), st.sampled_from(("0", "3")), st.booleans())
def test_any_table_of_numbers_has_an_answer(
    frame: pd.DataFrame, law: str, bootstrap: str, holdouts: bool
) -> None:
    """What is fitted is finite, inside the law's bounds, and made of rows of the table."""
    words = ("--law", law, "--bootstrap", bootstrap, *([] if holdouts else ["--no-holdouts"]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        frame.to_csv(path, index=False)
        code, document, _ = run("fit", str(path), "--json", *words)
    if law == "d-cpt" and "r" not in frame:
        assert code in (2, 3)
    if document is None:
        return
    for item in document["fits"]:
        assert all(math.isfinite(value) for value in item["values"].values())
        assert item["objective"] >= 0
        assert 0 < item["rows"] <= len(frame)
        assert item["runs"] <= item["rows"]


cells = st.one_of(st.none(), st.sampled_from((0.0, 1.0, -2.5, 1e-5, 7e9)))
words = st.one_of(st.none(), st.sampled_from(("a", "b", "a|b", "1", "1.0", "c4=val")))


@given(
    st.lists(st.tuples(cells, words), min_size=1, max_size=8),
    st.sampled_from(("=", "!=", "<", "<=", ">", ">=", "==")),
    st.sampled_from((0.0, 1.0, -2.5, 1e-5, 7e9)),
)
def test_a_condition_keeps_what_python_would(
    rows: list[tuple[float | None, str | None]], operator: str, value: float
) -> None:
    frame = pd.DataFrame(rows, columns=["x", "word"]).astype({"x": float})
    tests = {
        **{"=": lambda x: x == value, "==": lambda x: x == value, "!=": lambda x: x != value},
        **{"<": lambda x: x < value, "<=": lambda x: x <= value},
        **{">": lambda x: x > value, ">=": lambda x: x >= value},
    }
    wanted = [operator == "!=" if x is None else tests[operator](x) for x, _ in rows]
    try:
        kept, dropped = keep_rows(frame, [f"x{operator}{value!r}"], "t")
    except DataError:
        assert not any(wanted)
    except ConfigError:
        assert all(x is None for x, _ in rows)
    else:
        assert kept.tolist() == wanted
        assert sum(dropped.values()) == wanted.count(False)


@given(st.text(max_size=12))
def test_no_condition_raises_anything_else(text: str) -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", None], "c": [True, False]})
    try:
        kept, _ = keep_rows(frame, [text], "t")
    except (ConfigError, DataError):
        return
    assert kept.shape == (2,)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=6)


@settings(max_examples=2 * FITS)
@given(
    st.dictionaries(
        st.text("abcdef /_", min_size=1, max_size=6).filter(str.strip),
        st.lists(
            st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.none()), min_size=3, max_size=3
        ),
        min_size=1,
        max_size=4,
    ),
    st.lists(texts, min_size=3, max_size=3),
)
def test_json_lines_and_parquet_come_back_as_they_were(
    columns: dict[str, list[Any]], notes: list[str]
) -> None:
    from dcpt.core.table_file import write_frame

    frame = pd.DataFrame({**columns, "note": notes})
    for name in columns:
        frame[name] = frame[name].astype(float)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("a.jsonl", "a.jsonl.gz", "a.parquet"):
            again = read_frame(write_frame(Path(folder) / name, frame), "a table", ["note"])
            for column in columns:
                if column in again:
                    np.testing.assert_array_equal(
                        again[column].to_numpy(float), frame[column].to_numpy(float)
                    )
                else:
                    assert frame[column].isna().all()
            assert again["note"].tolist() == notes
