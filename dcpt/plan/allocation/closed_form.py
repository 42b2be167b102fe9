"""The best size where the law has a formula for it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.core.symbols import GENERAL
from dcpt.fit.law_fit import LawFit
from dcpt.laws.allocation import compute_optimal
from dcpt.laws.dcpt_law import at_share

Array = NDArray[np.float64]

LAWS = ("chinchilla", "cross-lingual", "d-cpt")
"""Laws that are E + A/N**alpha + B/(D**beta N**gamma) at one share."""


def closed_form_sizes(fit: LawFit, theta: Array, r: Array, flops: float) -> Array:
    """Best size of every parameter vector at 6 N D = flops; nan where the formula has none.

    Parameters
    ----------
    fit : LawFit
        A fit of one of `LAWS`.
    theta : ndarray, shape (b, p)
        Parameters.
    r : ndarray, shape (b,)
        Domain share of each.
    flops : float
        Budget.
    """
    share = 1.0 - r if fit.role == GENERAL else r
    return np.array(
        [
            _size(fit, dict(zip(fit.law.names, map(float, row), strict=True)), float(s), flops)
            for row, s in zip(theta, share, strict=True)
        ]
    )


def _size(fit: LawFit, values: Mapping[str, float], s: float, flops: float) -> float:
    units = fit.units
    try:
        split = at_share(values, s) if fit.law.name == "d-cpt" else values
        return compute_optimal(split, flops, unit_N=units.N, unit_D=units.D).N
    except ConfigError:  # a coefficient of 0, or tokens that matter less than size: no best size in this draw
        return float("nan")
