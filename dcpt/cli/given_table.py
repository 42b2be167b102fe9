"""The loss table a command is given: whose columns are which symbols, and which rows count."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcpt.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from dcpt.core.loss_table import LossTable
    from dcpt.ingest.drop_report import DropReport
    from dcpt.ingest.reading import Reading

DERIVED = {"s": "r and the side of the loss", "Dmin": "the fitted rows"}
"""Inputs of laws that are never given, and what they follow from."""


@dataclass(frozen=True)
class GivenTable:
    """A table, how its file was read, what became of its rows, and the seconds it took."""

    table: LossTable
    reading: Reading
    report: DropReport
    notes: tuple[str, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Rows and columns in plain values, for a JSON document."""
        return {
            "rows_read": self.report.read,
            "rows_kept": self.report.kept,
            "rows_given": len(self.table),
            "dropped": dict(self.report.dropped),
            "ignored": list(self.report.ignored),
            "eval_sets": list(self.table.eval_sets),
            "seconds": self.seconds,
        }


def further_inputs(laws: Sequence[Any]) -> tuple[str, ...]:
    """Inputs of laws that are not columns of every loss table: L0, U, columns of their own."""
    from dcpt.core.table_rows import COLUMNS

    names = dict.fromkeys(name for law in laws for name in law.inputs)
    return tuple(name for name in names if name not in (*COLUMNS, *DERIVED))


def reading_of(
    said: Reading | None,
    mapped: Mapping[str, str],
    scale: Mapping[str, str],
    roles: Mapping[str, str],
    constants: Mapping[str, str],
    run: str | None,
    where: Sequence[str],
    inputs: Collection[str] = (),
    wide: bool = False,
) -> Reading:
    """How a file is to be read: as a column map says, flags winning over it.

    Raises
    ------
    ConfigError
        When a symbol is neither a column of the loss table nor one of `inputs`.
    """
    from dcpt.core.quantity import parse_quantity
    from dcpt.ingest.reading import Reading
    from dcpt.ingest.symbol_names import SYMBOLS, known_symbol

    for names, flag in ((mapped, "--map"), (constants, "--set"), (scale, "--scale")):
        for name in names:
            if name in DERIVED:
                raise ConfigError(f"{flag}: {name!r} follows from {DERIVED[name]}; it is never given.")
            try:
                known_symbol(name, flag, inputs)
            except ConfigError as error:
                if flag == "--map" and mapped[name] in (*SYMBOLS, *inputs):
                    hint = f"a map reads SYMBOL=COLUMN: {mapped[name]}={name}"
                    raise ConfigError(error.message, hint) from None
                raise
    said = said or Reading()
    for name in said.constants:
        known_symbol(name, "constants", (*inputs, *said.extras))
    factors = {name: parse_quantity(text, f"--scale {name}") for name, text in scale.items()}
    given = {name: own for name, own in said.mapped.items() if name not in constants}
    given |= mapped
    if run is not None:
        given["run"] = run
    return Reading(
        columns={name: own for name, own in given.items() if name in SYMBOLS},
        extras={name: own for name, own in given.items() if name not in SYMBOLS},
        scale={**said.scale, **factors},
        roles={**said.roles, **roles},
        constants={
            **{name: value for name, value in said.constants.items() if name not in mapped},
            **constants,
        },
        where=(*said.where, *where),
        wide=said.wide or wide,
    )


def read_given(
    path: Path,
    reading: Reading,
    inputs: Sequence[str] = (),
    eval_sets: Sequence[str] = (),
    most: int | None = None,
) -> GivenTable:
    """Read a file strictly: a row that cannot be read is refused, not dropped.

    Parameters
    ----------
    path : Path
        The file.
    reading : Reading
        How to read it.
    inputs : sequence of str
        Further inputs of the laws; columns of these very names are kept without being mapped.
    eval_sets : sequence of str
        What is to be fitted. One name is that of every row where the file has no evaluation sets.
    most : int, optional
        Rows to keep of each evaluation set.
    """
    from dcpt.ingest.csv_table import read_cells, to_table
    from dcpt.ingest.thin import thin_rows

    start = time.perf_counter()
    if path.is_dir():
        tables = sorted(item.name for item in path.iterdir() if item.name in ("losses.csv", "losses.parquet"))
        raise DataError(
            f"{path}: is a folder; wanted a table of losses (CSV, JSON lines or Parquet).",
            hint=f"the table in it: {path / tables[0]}"
            if tables
            else "logs of runs, a file each, are read for laws of loss curves: --law auto-curve",
        )
    found, notes = read_cells(path, reading)
    taken = {*reading.mapped, *reading.constants}
    by_name = {name: name for name in inputs if name in found and name not in taken}
    constants = dict(reading.constants)
    if len(eval_sets) == 1 and "eval_set" not in (*taken, *found) and not reading.wide:
        constants["eval_set"] = eval_sets[0]
    reading = replace(reading, extras={**reading.extras, **by_name}, constants=constants)
    table, report = to_table(found, path, reading, strict=True, notes=notes)
    said = list(report.notes)
    if most is not None:
        table, thinned = thin_rows(table, most)
        said += [
            f"{name} has {before} rows with D > 0; {after} of them, evenly spread over N, r and D, are "
            "fitted (--max-rows)."
            for name, (before, after) in thinned.items()
        ]
    return GivenTable(table, reading, report, tuple(said), time.perf_counter() - start)
