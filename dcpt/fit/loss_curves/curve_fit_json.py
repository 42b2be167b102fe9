"""A fit of curves as JSON values and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dcpt.core.errors import DataError
from dcpt.fit.doubt import FitWarning
from dcpt.fit.fit_json import check_fields, check_law, law_entries, reading
from dcpt.fit.law_fit_json import round_draws
from dcpt.fit.loss_curves.curve_score import CurveScore
from dcpt.laws.curves.curve_law import CurveLaw
from dcpt.laws.curves.registry import get_curve_law

if TYPE_CHECKING:
    from dcpt.fit.loss_curves.curve_fit import CurveFit

SCHEMA_VERSION = 1

AGAIN = "fit the curves again with this version of dcpt"

_PLAIN = (
    *("status", "agree", "starts", "objective", "delta", "residual_sigma", "held_out", "draws_converged"),
    *("rows", "eval_set", "side", "fingerprint", "seconds", "seed"),
)
_TEXTS = ("status", "eval_set", "side", "fingerprint")
_NUMBERS = ("delta", "residual_sigma", "rows")


def curve_fit_to_json(fit: CurveFit) -> dict[str, Any]:
    """Plain JSON values of a fit."""
    return {
        "schema_version": SCHEMA_VERSION,
        **law_entries(fit.law),
        "params": dict(fit.params),
        "derived": fit.derived,
        "at_bound": list(fit.at_bound),
        "score": dataclasses.asdict(fit.score),
        "warnings": [item.to_dict() for item in fit.warnings],
        "ranges": {name: list(pair) for name, pair in fit.ranges.items()},
        "curves": list(fit.curves),
        "fixed": dict(fit.fixed),
        **{name: getattr(fit, name) for name in _PLAIN},
        "draws": fit.draws.tolist(),
    }


def curve_fit_from_json(document: Mapping[str, Any], where: str, law: CurveLaw | None = None) -> CurveFit:
    """Rebuild a fit; see `CurveFit.from_json`."""
    from dcpt.fit.loss_curves.curve_fit import CurveFit

    version = document.get("schema_version")
    if version != SCHEMA_VERSION:
        raise DataError(f"{where}: schema_version is {version!r}; this dcpt reads version {SCHEMA_VERSION}.")
    with reading(where, "a fit of curves", AGAIN):
        law = get_curve_law(document["law"]) if law is None else law
        check_law(law, document, where, AGAIN)
        check_fields(document, texts=_TEXTS, numbers=_NUMBERS, mappings=("params", "fixed"))
        return CurveFit(
            law=law,
            params=document["params"],
            at_bound=tuple(document["at_bound"]),
            score=CurveScore(**document["score"]),
            warnings=tuple(FitWarning.from_dict(item) for item in document["warnings"]),
            ranges={name: (float(pair[0]), float(pair[1])) for name, pair in document["ranges"].items()},
            curves=tuple(document["curves"]),
            fixed=document["fixed"],
            draws=np.array(document["draws"], dtype=np.float64),
            **{name: document[name] for name in _PLAIN},
        )


__all__ = ["SCHEMA_VERSION", "curve_fit_from_json", "curve_fit_to_json", "round_draws"]
