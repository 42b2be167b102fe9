"""Several fits in one file: ``fits/<name>/fit.json``."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from dcpt import __version__
from dcpt.core import files
from dcpt.core.errors import ConfigError, DataError
from dcpt.core.symbols import ROLES
from dcpt.fit.choose_law import Choice, choose_law
from dcpt.fit.fit_json import check_fields, reading
from dcpt.fit.law_fit import LawFit
from dcpt.fit.law_fit_json import AGAIN

SCHEMA_VERSION = 2
FILE_NAME = "fit.json"


@dataclass(frozen=True, eq=False, repr=False)
class FitSet:
    """Fits of several laws to several evaluation sets of one table.

    Parameters
    ----------
    fits : tuple of LawFit
        Each (law, evaluation set) once.
    refused : mapping
        "law on set" to why it could not be fitted.
    provenance : mapping
        Plain JSON values: the versions the fits were made with, and what the caller says of their input.
    """

    fits: tuple[LawFit, ...]
    refused: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fits", tuple(self.fits))
        object.__setattr__(self, "refused", MappingProxyType(dict(self.refused)))
        object.__setattr__(self, "provenance", MappingProxyType({**made_with(), **self.provenance}))
        if not self.fits:
            raise ConfigError("fits: there is none; wanted at least one fit.")
        keys = [(fit.law.name, fit.eval_set, fit.metric) for fit in self.fits]
        if len(set(keys)) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise ConfigError(f"fits: law {twice[0]} on {twice[1]} stands twice.")

    @property
    def laws(self) -> tuple[str, ...]:
        """Names of the laws, in order of appearance."""
        return tuple(dict.fromkeys(fit.law.name for fit in self.fits))

    @property
    def eval_sets(self) -> tuple[str, ...]:
        """Names of the evaluation sets, in order of appearance."""
        return tuple(dict.fromkeys(fit.eval_set for fit in self.fits))

    def get(self, law: str, eval_set: str, metric: str | None = None) -> LawFit:
        """The fit of one law to one evaluation set; `metric` is needed where several are fitted.

        Raises
        ------
        ConfigError
            When there is none, or one for each of several metrics.
        """
        found = [fit for fit in self.fits if (fit.law.name, fit.eval_set) == (law, eval_set)]
        found = [fit for fit in found if metric in (None, fit.metric)]
        if found:
            _one_metric(found)
            return found[0]
        if metric is not None:
            eval_set = f"{eval_set} ({metric})"
        raise ConfigError(
            f"fits: law {law!r} on {eval_set!r} is not there; there are "
            + ", ".join(f"{fit.law.name} on {fit.eval_set}" for fit in self.fits)
            + ".",
            hint=self.refused.get(f"{law} on {eval_set}"),
        )

    def best(self, role: str, law: str | None = None, D: float | None = None) -> LawFit:
        """The fit to plan with for one side or evaluation set.

        Parameters
        ----------
        role : str
            ``general``, ``domain``, or the name of an evaluation set.
        law : str, optional
            The law; by default, of those that see the mixture (of all, where none does), the one with the
            lowest error on the largest size held out, or in sample where no hold-out was scored. A law
            that the design does not identify stands back: see `choice`.
        D : float, optional
            Tokens of the target: the error on the largest tokens held out counts beside that on the
            largest size where it has more than were fitted.

        Raises
        ------
        ConfigError
            When no fit is of that side, or they are of several metrics, whose errors do not compare.
        """
        wanted = self._of_side(role)
        if law is not None:
            return self.get(law, wanted[0].eval_set)
        return choose_law(wanted, D).taken

    def choice(self, role: str, D: float | None = None) -> Choice:
        """What `best` takes without a law named, by which errors, and which laws give way to it.

        Raises
        ------
        ConfigError
            As `best` does.
        """
        return choose_law(self._of_side(role), D)

    def _of_side(self, role: str) -> list[LawFit]:
        """Fits of one side or evaluation set, all of one metric."""
        wanted = [fit for fit in self.fits if fit.eval_set == role]
        if not wanted and role in ROLES:
            sides = [fit.eval_set for fit in self.fits if fit.role == role]
            if len(set(sides)) > 1:
                raise ConfigError(
                    f"fits: the {role} side has several evaluation sets and none pooled: "
                    f"{', '.join(dict.fromkeys(sides))}.",
                    hint="name the one to plan with",
                )
            wanted = [fit for fit in self.fits if fit.role == role]
        if not wanted:
            raise ConfigError(f"fits: nothing is fitted on {role!r}; there are {', '.join(self.eval_sets)}.")
        _one_metric(wanted)
        return wanted

    def holdout_frame(self) -> pd.DataFrame:
        """Hold-out errors of laws and baselines, one row each: eval_set, metric, unit, kind, level, ..."""
        rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        for fit in self.fits:
            for item in fit.holdouts:
                key = (fit.eval_set, fit.metric, item.kind, item.level, item.model)
                place = {"eval_set": fit.eval_set, "metric": fit.metric, "unit": fit.unit}
                rows.setdefault(key, {**place, **vars(item)})
        return pd.DataFrame(list(rows.values()))

    def summary(self) -> str:
        """Every fit in words, and the comparison of the laws."""
        from dcpt.fit.summary import compare_text

        return "\n\n".join([*(fit.summary() for fit in self.fits), compare_text(self)])

    def save(self, path: Path | str) -> Path:
        """Write ``fit.json`` (into `path` when it is a folder or has no ending), atomically."""
        document = {
            "schema_version": SCHEMA_VERSION,
            "kind": "fits",
            "provenance": dict(self.provenance),
            "refused": dict(self.refused),
            "fits": [fit.to_dict() for fit in self.fits],
        }
        return files.write_json(_file(path), document)

    @classmethod
    def load(cls, path: Path | str) -> FitSet:
        """Read ``fit.json`` from a file or its folder.

        Raises
        ------
        DataError
            When the file is absent or is not such a file, or a law has changed since.
        """
        path = _file(path)
        document = files.read_json(path, "a file of fits", SCHEMA_VERSION)
        items = document.get("fits")
        if not isinstance(items, list) or not items:
            raise DataError(f"{path}: holds no fits.")
        refused, provenance = document.get("refused", {}), document.get("provenance", {})
        with reading(str(path), "a file of fits", AGAIN):
            check_fields({"refused": refused, "provenance": provenance}, mappings=("refused", "provenance"))
            check_fields(refused, texts=tuple(refused))
        fits = tuple(
            LawFit.from_dict(item, where=f"{path}, fit {number}")
            for number, item in enumerate(items, start=1)
        )
        try:
            return cls(fits, refused, provenance)
        except ConfigError as error:
            raise DataError(f"{path}: {error.message}", hint=error.hint) from None

    def __iter__(self) -> Iterator[LawFit]:
        return iter(self.fits)

    def __len__(self) -> int:
        return len(self.fits)

    def __repr__(self) -> str:
        return f"FitSet({', '.join(f'{fit.law.name} on {fit.eval_set}' for fit in self.fits)})"


def made_with() -> dict[str, str]:
    """Versions of the programs a fit depends on."""
    return {
        "dcpt": __version__,
        "python": platform.python_version(),
        "numpy": metadata.version("numpy"),
        "scipy": metadata.version("scipy"),
    }


def _one_metric(fits: Sequence[LawFit]) -> None:
    metrics = dict.fromkeys(fit.metric for fit in fits)
    if len(metrics) > 1:
        raise ConfigError(
            f"fits: {fits[0].eval_set!r} is fitted in several metrics: {', '.join(metrics)}; wanted one.",
            hint="fit one metric at a time, each into its own folder",
        )


def _file(path: Path | str) -> Path:
    path = Path(path)
    return path if path.suffix == ".json" and not path.is_dir() else path / FILE_NAME


def load_fits(path: Path | str) -> FitSet:
    """Read a ``fit.json``; see `FitSet.load`."""
    return FitSet.load(path)
