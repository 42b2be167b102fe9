"""Critical time, feasible ratios and the critical mixture ratio (Gu et al. 2024, arXiv:2407.17467)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcpt.core.errors import ConfigError
from dcpt.laws.critical_ratio import (
    Change,
    RatioChanges,
    critical_mixture_ratio,
    critical_time,
    feasible_ratios,
    ratio_after,
)

signed = st.floats(-2.0, 2.0).filter(lambda x: abs(x) > 0.05)


@given(signed, signed, signed, signed, signed, signed, st.floats(0.1, 10.0))
def test_the_weighted_loss_turns_at_the_critical_time(a1, s1, a2, s2, a3, s3, lam):
    domain, general = Change(((a1, s1),)), Change(((a2, s2), (a3, s3)), 0.3)
    found = critical_time(domain, general, lam, low=1e-3, high=1e3)

    def slope(T):
        return sum(w * a * s * T ** (s - 1) for w, c in ((1, domain), (lam, general)) for a, s in c.terms)

    grid = np.geomspace(1e-3, 1e3, 2000)
    falling = grid[slope(grid) <= 0]
    if not len(falling):
        assert np.isinf(found) or slope(found * 1.001) <= 0
        return
    assert found <= falling[0]
    if found > 0:
        scale = sum(
            abs(w * a * s * found ** (s - 1)) for w, c in ((1, domain), (lam, general)) for a, s in c.terms
        )
        assert abs(slope(found)) <= 1e-9 * scale


def test_the_printed_fixed_point_holds():
    # Eq. 7: T0 = [-(a1 s1)/(lam a2 s2) (1 + a3 s3/(a2 s2) T0^(s3 - s2))^-1]^(1/(s2 - s1)).
    a1, s1, a2, s2, a3, s3, lam = -0.1, 0.3, 0.5, 0.1, -0.02, 0.6, 1.0
    T = critical_time(Change(((a1, s1),)), Change(((a2, s2), (a3, s3))), lam)
    inner = -(a1 * s1) / (lam * a2 * s2) / (1 + a3 * s3 / (a2 * s2) * T ** (s3 - s2))
    assert pytest.approx(inner ** (1 / (s2 - s1)), rel=1e-9) == T


def test_a_ratio_is_feasible_when_the_rise_is_small_and_the_turn_in_time():
    def item(r, rise, turn):
        # -T^2/turn/2 + T: the weighted loss rises up to T = turn, then falls.
        return RatioChanges(r, Change(((-0.5 / turn, 2.0),), 0.0), Change(((1.0, 1.0),), rise - 100.0))

    runs = [item(0.2, 0.01, 20.0), item(0.4, 0.03, 50.0), item(0.6, 0.04, 400.0), item(0.8, 0.09, 50.0)]
    assert [critical_time(x.domain, x.general, 1.0) for x in runs] == pytest.approx([20, 50, 400, 50])
    assert feasible_ratios(runs, 100.0, eps=0.05, lam=1.0) == (0.2, 0.4)
    # Between .4 and .6 only the turn fails: log T0 goes from log 50 to log 400, and log 100 is a third of it.
    assert critical_mixture_ratio(runs, 100.0, eps=0.05, lam=1.0) == pytest.approx(0.4 + 0.2 / 3)
    # With the third run's turn in time, the rise of the fourth limits: .05 lies a fifth from .04 to .09.
    runs[2] = item(0.6, 0.04, 90.0)
    assert critical_mixture_ratio(runs[::-1], 100.0, eps=0.05, lam=1.0) == pytest.approx(0.64)
    assert critical_mixture_ratio(runs, 10.0, eps=0.05, lam=1.0) is None
    assert critical_mixture_ratio(runs[:2], 100.0, eps=0.05, lam=1.0) == 0.4


def test_a_loss_that_never_or_always_falls_has_no_inner_turn():
    rising, falling = Change(((1.0, 0.5),)), Change(((-1.0, 0.5),))
    nothing = Change(())
    assert critical_time(rising, nothing, 1.0) == np.inf
    assert critical_time(falling, nothing, 1.0) == 0.0
    assert critical_time(nothing, nothing, 1.0) == 0.0
    # A ratio next to one that never turns is not interpolated towards it.
    runs = [RatioChanges(0.3, falling, nothing), RatioChanges(0.6, rising, nothing)]
    assert critical_mixture_ratio(runs, 100.0, eps=0.05, lam=1.0) == 0.3


def test_the_ratio_law_stays_a_ratio_and_mistakes_are_named():
    assert ratio_after(1e-3, 0.22524761, 0.26944345, -0.48139982) == 0.0
    assert ratio_after(1e9, 0.22524761, 0.26944345, -0.48139982) == 1.0
    with pytest.raises(ConfigError, match="T = 0"):
        ratio_after(0.0, 1.0, 1.0, 1.0)
    with pytest.raises(ConfigError, match="lam = 0"):
        critical_time(Change(((1.0, 1.0),)), Change(()), 0.0)
    with pytest.raises(ConfigError, match="4 powers"):
        critical_time(Change(((1.0, 1.0), (1.0, 2.0))), Change(((1.0, 1.5), (1.0, 3.0))), 1.0)
