"""A fit of curves as JSON values and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dcpt.core.errors import ConfigError, DataError
from dcpt.fit.law_fit_json import round_draws
from dcpt.fit.loss_curves.curve_score import CurveScore
from dcpt.fit.loss_curves.doubt import CurveWarning
from dcpt.laws.curves.curve_law import CurveLaw
from dcpt.laws.curves.registry import get_curve_law

if TYPE_CHECKING:
    from dcpt.fit.loss_curves.curve_fit import CurveFit

SCHEMA_VERSION = 1

_PLAIN = (
    *("status", "agree", "starts", "objective", "delta", "residual_sigma", "held_out", "draws_converged"),
    *("rows", "eval_set", "side", "fingerprint", "seconds", "seed"),
)


def curve_fit_to_json(fit: CurveFit) -> dict[str, Any]:
    """Plain JSON values of a fit."""
    return {
        "schema_version": SCHEMA_VERSION,
        "law": fit.law.name,
        "law_hash": fit.law.hash,
        "formula": fit.law.formula,
        "params": dict(fit.params),
        "derived": fit.derived,
        "at_bound": list(fit.at_bound),
        "score": dataclasses.asdict(fit.score),
        "warnings": [
            {"kind": item.kind, "message": item.message, "parameters": list(item.parameters)}
            for item in fit.warnings
        ],
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
    try:
        law = get_curve_law(document["law"]) if law is None else law
        if document["law_hash"] != law.hash:
            raise DataError(
                f"{where}: was fitted with {document['formula']!r}; law {law.name} now reads {law.formula!r} "
                "or has other bounds.",
                hint="fit the curves again with this version of dcpt",
            )
        return CurveFit(
            law=law,
            params=document["params"],
            at_bound=tuple(document["at_bound"]),
            score=CurveScore(**document["score"]),
            warnings=tuple(
                CurveWarning(item["kind"], item["message"], tuple(item["parameters"]))
                for item in document["warnings"]
            ),
            ranges={name: (pair[0], pair[1]) for name, pair in document["ranges"].items()},
            curves=tuple(document["curves"]),
            fixed=document["fixed"],
            draws=np.array(document["draws"], dtype=np.float64),
            **{name: document[name] for name in _PLAIN},
        )
    except KeyError as error:
        raise DataError(f"{where}: field {error.args[0]!r} of a fit of curves is missing.") from None
    except ConfigError as error:
        raise DataError(f"{where}: {error.message}", hint=error.hint) from None
    except (TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{where}: is not a fit of curves: {error}.") from None


__all__ = ["SCHEMA_VERSION", "curve_fit_from_json", "curve_fit_to_json", "round_draws"]
