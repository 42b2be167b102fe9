"""A fitted law as JSON values and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dcpt.fit.bases import Bases
from dcpt.fit.dataset import Units
from dcpt.fit.doubt import FitWarning
from dcpt.fit.fit_json import check_fields, check_law, law_entries, reading
from dcpt.fit.fit_shape import check_summary, read_holdouts
from dcpt.laws.law import Law
from dcpt.laws.registry import get_law

if TYPE_CHECKING:
    from dcpt.fit.law_fit import LawFit

AGAIN = "fit the loss table again with this version of dcpt"

DRAW_DIGITS = 9
"""Significant digits of the draws; far finer than their own scatter, half the size of the file."""

_PLAIN = (
    *("eval_set", "role", "metric", "unit", "status", "objective", "delta", "agree", "starts"),
    *("draws_converged", "residual_sigma", "mae", "mape", "rows", "runs", "fingerprint", "seed"),
)
_TEXTS = ("eval_set", "role", "metric", "unit", "status", "fingerprint")
_NUMBERS = ("delta", "residual_sigma", "mae", "mape", "rows", "runs", "seed")
_MAPPINGS = ("values", "dropped", "quality", "fixed", "ties", "corner_errors")


def round_draws(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Draws rounded as they are stored, so that a fit and its file predict the same."""
    rounded = [float(f"{value:.{DRAW_DIGITS}g}") for value in np.asarray(draws).ravel()]
    return np.array(rounded, dtype=np.float64).reshape(np.shape(draws))


def law_fit_to_dict(fit: LawFit) -> dict[str, Any]:
    """Plain JSON values of a fit."""
    return {
        **law_entries(fit.law),
        **{name: getattr(fit, name) for name in _PLAIN},
        "units": {"N": fit.units.N, "D": fit.units.D},
        "ranges": {name: list(pair) for name, pair in fit.ranges.items()},
        "values": fit.values,
        "dropped": dict(fit.dropped),
        "fixed": dict(fit.fixed),
        "ties": dict(fit.ties),
        "corner_errors": {name: dict(errors) for name, errors in fit.corner_errors.items()},
        "warnings": [item.to_dict() for item in fit.warnings],
        "bases": {
            name: {"sizes": list(base.sizes), "losses": list(base.losses)} for name, base in fit.bases.items()
        },
        "quality": dict(fit.quality),
        "profiles": {name: list(ends) for name, ends in fit.profiles.items()},
        "holdouts": [dataclasses.asdict(item) for item in fit.holdouts],
        "draws": fit.draws.tolist(),
        "resamples": fit.resamples.tolist(),
    }


def law_fit_from_dict(document: Mapping[str, Any], where: str, law: Law | None = None) -> LawFit:
    """Rebuild a fit; see `LawFit.from_dict`."""
    from dcpt.fit.law_fit import LawFit

    with reading(where, "a fit", AGAIN):
        law = get_law(document["law"]) if law is None else law
        check_law(law, document, where, AGAIN)
        check_fields(document, texts=_TEXTS, numbers=_NUMBERS, mappings=_MAPPINGS)
        check_summary(document)
        check_fields(document["units"], numbers=("N", "D"))
        for name in ("N", "D", "r"):
            document["ranges"][name]  # `predict` measures how far it reaches by these
        values = document["values"]
        return LawFit(
            law=law,
            theta=np.array([values[name] for name in law.names], dtype=np.float64),
            draws=np.array(document["draws"], dtype=np.float64).reshape(-1, len(law.names)),
            resamples=np.array([index(number) for number in document["resamples"]], dtype=np.int64),
            units=Units(**document["units"]),
            ranges={name: (float(pair[0]), float(pair[1])) for name, pair in document["ranges"].items()},
            dropped=document["dropped"],
            bases={
                name: Bases(tuple(base["sizes"]), tuple(base["losses"]))
                for name, base in document["bases"].items()
            },
            quality=document["quality"],
            profiles={name: (ends[0], ends[1]) for name, ends in document["profiles"].items()},
            fixed=document["fixed"],
            ties=document["ties"],
            corner_errors=document["corner_errors"],
            warnings=tuple(FitWarning.from_dict(item) for item in document["warnings"]),
            holdouts=read_holdouts(document["holdouts"]),
            **{name: document[name] for name in _PLAIN},
        )
