"""Tables of the page: cells are text made here, so that the template only lays them out."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

SIGNIFICANT = 4
"""Digits of a number whose size is not known beforehand; losses are spelled with four decimals."""


@dataclass(frozen=True)
class Column:
    """Head of a column, and whether it holds numbers (set to the right)."""

    name: str
    number: bool = False


@dataclass(frozen=True)
class Cell:
    """Text of a cell and its tone: "", quiet, good or warn."""

    text: str
    tone: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the page, optionally with its data as a CSV to save."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    csv: str = ""
    file: str = ""


def table(columns: Sequence[str], rows: Iterable[Sequence[str | Cell]], numbers: Sequence[str] = ()) -> Table:
    """Build a table from texts; the columns named in `numbers` are set to the right."""
    return Table(
        tuple(Column(name, name in numbers) for name in columns),
        tuple(tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in row) for row in rows),
    )


def csv_uri(frame: pd.DataFrame) -> str:
    """A frame as a data URI of its CSV, nine significant digits."""
    text = frame.to_csv(index=False, float_format="%.9g")
    return "data:text/csv;base64," + base64.b64encode(text.encode("utf-8")).decode("ascii")


def loss(value: float | None, signed: bool = False) -> str:
    """A loss with four decimals; a dash for an unknown one."""
    if value is None or pd.isna(value):
        return "–"
    return f"{value:+.4f}".replace("-", "−") if signed else f"{value:.4f}"


def number(value: float | None) -> str:
    """A number of unknown size with four significant digits; a dash for an unknown one."""
    if value is None or pd.isna(value):
        return "–"
    return f"{value:.{SIGNIFICANT}g}".replace("-", "−")


def percent(share: float, digits: int = 0) -> str:
    """A share in per cent."""
    return f"{100 * share:.{digits}f} %"


def power(value: float) -> str:
    """A large number in powers of ten, as people read it: 8.4 × 10²⁰."""
    mantissa, exponent = f"{value:.2e}".split("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{float(mantissa):g} × 10{raised}"
