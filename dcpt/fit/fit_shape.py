"""What a fit's file has to hold for its summary to be written: checked as it is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dcpt.fit.fit_json import check_fields
from dcpt.fit.score import HoldoutScore

STATUSES = ("converged", "bound_hit", "max_iter")

_QUALITY: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "errors": (("rmse",), ("r2_log",)),
    "scatter": (("mad_sigma", "inlier_share", "delta"), ("seed_sigma", "lag1")),
    "identification": (("rank", "parameters"), ("condition",)),
    "information": ((), ("aic", "bic")),
}
"""Part of `dcpt.fit.report_numbers.fit_quality` to its numbers, and to those that may be missing (null)."""


def check_summary(document: Mapping[str, Any]) -> None:
    """Refuse what would break when the fit is told in words.

    Parameters
    ----------
    document : mapping
        A fit, its mappings known to be mappings.

    Raises
    ------
    KeyError, TypeError
        Where a number is missing or something else; `dcpt.fit.fit_json.reading` says of which document.
    """
    if document["status"] not in STATUSES:
        raise TypeError(f"field 'status' is {document['status']!r}, wanted one of {', '.join(STATUSES)}")
    check_fields(document, numbers=("agree", "starts"))
    for name, errors in document["corner_errors"].items():
        _numbers(errors, ("rows", "mae", "bias"), (), f"corner_errors, {name}")
    quality = document["quality"]
    for part, (numbers, optional) in _QUALITY.items() if quality else ():
        _numbers(quality[part], numbers, optional, f"quality.{part}")
    information = quality.get("information", {"aic": None})
    if information["aic"] is not None:
        check_fields(information, numbers=("bic",))
    for name, reason in document["dropped"].items():
        if not isinstance(reason, int) or isinstance(reason, bool):
            raise TypeError(f"field 'dropped' has {str(reason)[:60]!r} rows ({name}), wanted a number")


def read_holdouts(document: Sequence[Mapping[str, Any]]) -> tuple[HoldoutScore, ...]:
    """Scores on rows left out, each number a number.

    Raises
    ------
    KeyError, TypeError
        As `check_summary` does.
    """
    scores = []
    for item in document:
        check_fields(item, texts=("kind", "model"))
        numbers = ("level", "rows", "mae", "mape", "bias", "rms_log", "reach")
        _numbers(item, numbers, ("coverage",), "holdouts")
        scores.append(HoldoutScore(**item))
    return tuple(scores)


def _numbers(document: Any, numbers: Sequence[str], optional: Sequence[str], where: str) -> None:
    if not isinstance(document, Mapping):
        raise TypeError(f"field {where!r} is {str(document)[:60]!r}, wanted named values")
    check_fields(document, numbers=(*numbers, *(name for name in optional if document[name] is not None)))
