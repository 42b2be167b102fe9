"""The two-stage fit of the cross-lingual law: a size term from scratch runs, the rest from continual ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dcpt.core.loss_table import LossTable
from dcpt.fit.dataset import prepare
from dcpt.fit.fit import fit_data
from dcpt.fit.law_fit import LawFit
from dcpt.laws.cross_lingual import second_stage
from dcpt.laws.registry import get_law


def fit_two_stage(
    scratch: LossTable, continual: LossTable, eval_set: str, corners: bool = True, **options: Any
) -> tuple[LawFit, LawFit]:
    """Fit `chinchilla` to runs from scratch, then `cross-lingual` to continual runs with E, A, alpha held.

    Parameters
    ----------
    scratch, continual : LossTable
        Losses on the new language of models trained on it from scratch, and of models that were
        pre-trained on another language first.
    eval_set : str
        The new language's held-out set, in both tables.
    corners : bool
        Whether runs without replay (r = 1) are fitted; the law does not see the mixture.
    **options
        As in `dcpt.fit.fit.fit_data`.

    Returns
    -------
    scratch_fit, continual_fit : LawFit
        In the same units of N and D, as `dcpt.laws.allocation` and `transferred_tokens` need them. The
        intervals of the second stage hold the first one's values fixed.

    Raises
    ------
    ConfigError, DataError, FitError
        As in `dcpt.fit.fit_law`.

    References
    ----------
    Breaking Language Barriers, arXiv:2407.02118: stage 1 fits scratch runs, stage 2 freezes E, A, alpha.
    """
    law = get_law("cross-lingual")
    later, _ = prepare(continual, eval_set, corners=corners)
    first, _ = prepare(scratch, eval_set, corners=corners)
    one = fit_data("chinchilla", replace(first, units=later.units), **options)
    params = law.lmfit_parameters()
    for name, value in second_stage(one.values).items():
        params[name].set(value=value, vary=False)
    two = fit_data(law, later, params=params, **options)
    return (
        replace(one, fingerprint=scratch.fingerprint),
        replace(two, fingerprint=continual.fingerprint),
    )
