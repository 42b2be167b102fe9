"""Fits of the dynamics laws with published coefficients and draws around them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from dcpt.laws.curves import get_curve_law

PUBLISHED = {  # Wang et al. 2025 (arXiv:2505.07796), Fig. 3; K = B beta
    "general": dict(L0=3.057, A=0.490, alpha=0.497, C1=0.299, C2=0.298, K=0.366 * 0.189, E=28.0, beta=0.189),
    "domain": dict(L0=3.024, A=0.412, alpha=0.677, C1=0.278, C2=0.324, K=0.666 * 0.146, E=5662.0, beta=0.146),
}


@dataclass(frozen=True)
class Fit:
    """What a decision reads of a fit."""

    law: object
    params: dict
    draws: object
    side: str
    ranges: dict
    unseen: float = 0.0


def _fit(side, name="cpt-dynamics", draws=0, ranges=None, **extra):
    law = get_curve_law(name)
    params = {**PUBLISHED[side], **extra}
    params = {key: params[key] for key in law.names}
    rng = np.random.default_rng(0)
    table = np.array(list(params.values())) * np.exp(0.01 * rng.standard_normal((draws, len(params))))
    return Fit(law, params, table, side, ranges or {})


@pytest.fixture(scope="session")
def make_fit():
    return _fit


@pytest.fixture(scope="session")
def fit_of():
    """A fit from a law, parameters, draws, side and ranges."""
    return Fit


@pytest.fixture(scope="session")
def intrinsic():
    """Both sides on the clock of the forward area, with replay."""
    shape = dict(c=3000.0, b=0.6, k=0.4, eps=0.05)
    name = "cpt-dynamics+replay+intrinsic-power"
    return (
        _fit("general", name, 20, C1=120.0, C2=120.0, **shape),
        _fit("domain", name, 20, C1=120.0, C2=150.0, **{**shape, "k": 1.0, "eps": 0.5}),
    )
