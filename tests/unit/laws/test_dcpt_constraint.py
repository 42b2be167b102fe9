"""What the D-CPT constraint means, and what it forbids (Que et al. 2024, arXiv:2406.01375)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from dcpt.core.errors import ConfigError
from dcpt.laws import get_law
from dcpt.laws.dcpt_constrained import mixture_floor, supply_limit, to_free
from dcpt.laws.dcpt_law import at_share

FREE, CONSTRAINED = get_law("d-cpt"), get_law("d-cpt-constrained")
exponent = st.floats(0.1, 1.0)


@st.composite
def values(draw):
    p = {name: draw(exponent) for name in ("alpha", "beta", "gamma")}
    p |= {name: draw(st.floats(0.1, 2.0)) for name in ("E", "A", "B")}
    return {**p, "eps": draw(st.floats(0.02, 0.5)), "nu": draw(st.floats(1.05, 2.0))}


def loss(law, p, **inputs):
    return law.evaluate([p[name] for name in law.names], inputs)


@given(values(), st.floats(0.0, 1.0), st.floats(0.05, 2.0))
def test_constrained_is_free_with_the_floor_added(p, C1, Dmin):
    p = {**p, "C1": C1}
    inputs = {"N": 0.7, "D": np.array([0.05, 1.0, 9.0]), "s": 0.4}
    free = loss(FREE, to_free(p, Dmin), **inputs)
    np.testing.assert_allclose(loss(CONSTRAINED, p, Dmin=Dmin, **inputs), free, rtol=1e-12)


@given(values(), st.floats(0.05, 2.0))
def test_the_floor_is_where_the_loss_stops_falling_with_the_share(p, Dmin):
    s = np.linspace(0.0, 1.0, 400)
    above = {**p, "C": 1.01 * mixture_floor(p, Dmin)}
    below = {**p, "C": 0.99 * mixture_floor(p, Dmin)}
    assert (np.diff(loss(FREE, above, N=1.0, D=Dmin, s=s)) < 0).all()
    # Tight at s = 1 and D = Dmin: the slope there has turned.
    edge = loss(FREE, below, N=1.0, D=Dmin, s=np.array([1 - 1e-5, 1.0]))
    assert edge[1] > edge[0]


@given(values(), st.floats(0.05, 1.0), st.floats(0.3, 3.0).filter(lambda x: abs(x - 1) > 0.05))
def test_a_short_supply_has_an_inner_best_share_up_to_the_limit(p, C, factor):
    p = {**p, "C": C}
    supply = factor * supply_limit(p)

    def cost(s):
        return float(loss(FREE, p, N=1.0, D=supply / s, s=s)[0])

    found = minimize_scalar(cost, bounds=(1e-3, 1.0), method="bounded", options={"xatol": 1e-9})
    assert (found.x < 1 - 1e-6 and found.fun < cost(1.0)) == (factor < 1)


@given(values(), st.floats(0.0, 1.0), st.floats(0.05, 2.0))
def test_the_constraint_leaves_an_inner_share_to_supplies_near_the_least_tokens_only(p, C1, Dmin):
    # supply < Dmin (1 + beta/nu)**(1/beta) < e Dmin: a law fitted under the constraint answers "no general
    # text" to every supply above.
    limit = supply_limit(to_free({**p, "C1": C1}, Dmin))
    assert limit <= Dmin * (1 + p["beta"] / p["nu"]) ** (1 / p["beta"]) * (1 + 1e-9)
    assert limit < np.e * Dmin


def test_mistakes_are_named():
    p = dict(E=1.0, A=1.0, B=1.0, C=0.0, alpha=0.3, beta=0.3, gamma=0.3, eps=0.1, nu=1.2)
    assert supply_limit(p) == np.inf
    with pytest.raises(ConfigError, match="Dmin = 0"):
        mixture_floor(p, 0.0)
    with pytest.raises(ConfigError, match="from 0 to 1"):
        at_share(p, 30.0)
