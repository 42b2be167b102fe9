"""Fitted predictors as JSON values and back, by their kind; nothing is ever evaluated as code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dcpt.core.errors import DataError
from dcpt.fit.mixtures.additive_ridge import FittedRidge
from dcpt.fit.mixtures.bimix import FittedBimix
from dcpt.fit.mixtures.boosted_trees import FittedBoostedTrees
from dcpt.fit.mixtures.exponential import FittedExponential
from dcpt.fit.mixtures.predictor import FittedPredictor
from dcpt.fit.mixtures.process import FittedProcess
from dcpt.fit.mixtures.transfer import FittedTransfer


def _mixture_fit(document: Mapping[str, Any]) -> FittedPredictor:
    from dcpt.fit.mixtures.mixture_fit_file import mixture_fit_from_dict

    return mixture_fit_from_dict(document, "predictor")


_KINDS: dict[str, Callable[[Mapping[str, Any]], FittedPredictor]] = {
    "bimix": FittedBimix.from_dict,
    "exponential": FittedExponential.from_dict,
    "mixture fit": _mixture_fit,
    "process": FittedProcess.from_dict,
    "ridge": FittedRidge.from_dict,
    "transfer": FittedTransfer.from_dict,
    "trees": FittedBoostedTrees.from_dict,
}


def predictor_from_dict(document: Mapping[str, Any], where: str = "predictor") -> FittedPredictor:
    """Rebuild what `FittedPredictor.to_dict` made.

    Raises
    ------
    DataError
        When the kind is unknown or a field is missing or of another type.
    """
    kind = document.get("kind") if isinstance(document, Mapping) else None
    if kind not in _KINDS:
        raise DataError(f"{where}: kind is {kind!r}; wanted one of {', '.join(_KINDS)}.")
    try:
        return _KINDS[kind](document)
    except KeyError as error:
        raise DataError(f"{where}: field {error.args[0]!r} of a {kind} predictor is missing.") from None
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        raise DataError(f"{where}: does not fit a {kind} predictor ({error}).") from None
