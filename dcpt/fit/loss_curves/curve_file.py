"""Fits of curves in one file: ``fits/<name>/curves.json``, beside the ``fit.json`` of other laws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dcpt.core import files
from dcpt.core.errors import ConfigError, DataError
from dcpt.core.symbols import ROLES
from dcpt.fit.fit_file import made_with
from dcpt.fit.loss_curves.curve_fit import CurveFit
from dcpt.fit.loss_curves.fit_sets import SetFits

SCHEMA_VERSION = 1
FILE_NAME = "curves.json"


@dataclass(frozen=True, eq=False)
class CurveFits:
    """Fits of laws of curves to the evaluation sets of one table.

    Parameters
    ----------
    sets : tuple of SetFits
        One per evaluation set.
    base_schedules : tuple of str
        Schedules of pre-training of the fitted curves, as text; empty when none is known.
    provenance : mapping
        Plain JSON values: the versions the fits were made with, and what they were made from.
    """

    sets: tuple[SetFits, ...]
    base_schedules: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.sets:
            raise ConfigError("fits of curves: there is none; wanted at least one.")
        object.__setattr__(self, "provenance", MappingProxyType({**made_with(), **self.provenance}))

    def of(self, eval_set: str) -> SetFits:
        """The fits of an evaluation set, or of the one set of a side.

        Raises
        ------
        ConfigError
            When there are none, or a side has several sets.
        """
        found = [item for item in self.sets if item.eval_set == eval_set]
        if not found and eval_set in ROLES:
            found = [item for item in self.sets if item.side == eval_set]
        there = ", ".join(item.eval_set for item in self.sets)
        if not found:
            raise ConfigError(f"fits of curves: nothing is fitted to {eval_set!r}; there are {there}.")
        if len(found) > 1:
            raise ConfigError(
                f"fits of curves: the {eval_set} side has {len(found)} sets: {there}.",
                hint=f"name the one to take: --eval-set {found[0].eval_set}",
            )
        return found[0]

    @property
    def eval_sets(self) -> tuple[str, ...]:
        """Names of the evaluation sets."""
        return tuple(item.eval_set for item in self.sets)

    def save(self, path: Path | str) -> Path:
        """Write ``curves.json`` (into `path` when it is a folder or has no ending), atomically."""
        return files.write_json(
            _file(path),
            {
                "schema_version": SCHEMA_VERSION,
                "kind": "curve fits",
                "provenance": dict(self.provenance),
                "base_schedules": list(self.base_schedules),
                "sets": [
                    {
                        "eval_set": item.eval_set,
                        "side": item.side,
                        "best": list(item.best),
                        "choice": [dict(row) for row in item.choice],
                        "refused": dict(item.refused),
                        "tests": {name: [dict(row) for row in rows] for name, rows in item.tests.items()},
                        "fits": [fit.to_json() for fit in item.fits],
                    }
                    for item in self.sets
                ],
            },
        )

    @classmethod
    def load(cls, path: Path | str) -> CurveFits:
        """Read ``curves.json`` from a file or its folder.

        Raises
        ------
        DataError
            When the file is absent or is no such file, or a law has changed since.
        """
        file = _file(path)
        document = files.read_json(file, "a file of fits of curves", SCHEMA_VERSION)
        try:
            if document.get("kind") != "curve fits":
                raise DataError(f"{file}: is a file of {document.get('kind')!r}; wanted fits of curves.")
            sets = tuple(_set_of(item, f"{file}, {item['eval_set']}") for item in document["sets"])
            return cls(sets, tuple(document["base_schedules"]), document["provenance"])
        except ConfigError as error:
            raise DataError(f"{file}: {error.message}", hint=error.hint) from None
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{file}: is no file of fits of curves ({error!r}).") from None

    def __iter__(self) -> Iterator[CurveFit]:
        return (fit for item in self.sets for fit in item.fits)

    def __len__(self) -> int:
        return sum(len(item.fits) for item in self.sets)


def _set_of(item: Mapping[str, Any], where: str) -> SetFits:
    made = SetFits(
        eval_set=item["eval_set"],
        side=item["side"],
        fits=tuple(CurveFit.from_json(fit, where) for fit in item["fits"]),
        best=tuple(item["best"]),
        choice=tuple(item["choice"]),
        tests={name: tuple(rows) for name, rows in item["tests"].items()},
        refused=item.get("refused", {}),
    )
    made.predictor()  # every law of the best is there
    return made


def _file(path: Path | str) -> Path:
    path = Path(path)
    return path if path.suffix == ".json" and not path.is_dir() else path / FILE_NAME
