"""What a law that starts from the base's loss is told about the target's base."""

from __future__ import annotations

from collections.abc import Mapping

from dcpt.fit.law_fit import LawFit
from dcpt.plan.base_loss import BaseLoss


def sources_of(fit: LawFit, fits: Mapping[str, LawFit], bases: Mapping[str, BaseLoss]) -> dict[str, str]:
    """Whose base loss each start loss of a law is.

    Parameters
    ----------
    fit : LawFit
        Whose law needs them: L0 of its own set, G0 of the general side.
    fits : mapping of str to LawFit
        The plan's fits by label.
    bases : mapping of str to BaseLoss
        Label to the loss of the target's base on that fit's set, where it is known.

    Returns
    -------
    dict of str to str
        Input of the law to the label of the base it takes; an input that no base here is known to be is
        left out, and the fit's own bases are asked for it.
    """
    found: dict[str, str] = {}
    for label in bases:
        other = fits[label]
        if other is fit:
            found["L0"] = label
        if fit.bases.get("G0") == other.bases.get("L0"):
            found.setdefault("G0", label)
    return {name: label for name, label in found.items() if name in fit.law.inputs}


def start_of(fit: LawFit, fits: Mapping[str, LawFit], bases: Mapping[str, BaseLoss]) -> dict[str, float]:
    """Start losses of a fit's law that follow from what is known of the target's base; see `sources_of`."""
    return {name: bases[label].value for name, label in sources_of(fit, fits, bases).items()}
