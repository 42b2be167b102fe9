"""Facts about plans that hold for every law and every tolerance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dcpt.core.errors import PlanError
from dcpt.plan.objective import Tolerance
from dcpt.plan.trade_off import GRID, solve
from dcpt.plan.uncertainty import spread_ratios

number = st.floats(allow_nan=False, allow_infinity=False)


def between(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False)


@st.composite
def monotone(draw):
    """The mixture terms of a D-CPT law in the share of its side: falling in the share."""
    E, B, C = draw(between(0.5, 3)), draw(between(0, 0.3)), draw(between(0.05, 2))
    eps, gamma = draw(between(0.01, 0.5)), draw(between(0.05, 1.5))
    return lambda s: E - B * s + C * (s + eps) ** -gamma


@st.composite
def wiggly(draw):
    """Any smooth positive curve, with several minima."""
    level, heights = draw(between(2, 4)), draw(st.lists(between(-0.4, 0.4), min_size=1, max_size=4))
    return lambda r: level + sum(h * np.sin((k + 1) * 5 * r + k) for k, h in enumerate(heights))


@given(wiggly(), wiggly(), between(1.5, 4.5), between(0.02, 0.45), between(0.5, 0.98))
def test_a_plan_is_always_feasible_and_no_grid_point_is_better(
    general, domain, ceiling, r_min, r_max
) -> None:
    grid = np.linspace(r_min, r_max, GRID)
    inside = general(grid) <= ceiling
    try:
        solution = solve(general, domain, ceiling, r_min, r_max)
    except PlanError:
        assert not inside.any()
        return
    assert r_min <= solution.r <= r_max
    assert solution.general <= ceiling
    assert general(np.array([solution.r]))[0] <= ceiling
    if inside.any():
        assert solution.domain <= domain(grid)[inside].min() + 1e-12
    assert 0 <= solution.feasible_share <= 1 + 1e-9


@given(monotone(), monotone(), between(0.0, 1.0), between(0.0, 1.0))
def test_raising_the_tolerance_never_lowers_the_ratio(general, domain, first, second) -> None:
    losses = general(1 - np.array([0.1, 0.9]))
    low, high = (losses[0] + share * (losses[1] - losses[0]) for share in sorted((first, second)))
    assume(low > losses[0])
    tight, loose = (solve(lambda r: general(1 - r), domain, limit, 0.1, 0.9).r for limit in (low, high))
    assert loose >= tight - 1e-9


@given(st.integers(0, 1000), between(0.6, 0.99), between(2.2, 2.8))
def test_the_draws_agree_with_the_exact_solution(seed, level, ceiling) -> None:
    rng = np.random.default_rng(seed)
    grid = np.linspace(0.1, 0.9, GRID)
    slopes, bends = 0.5 + rng.random(8), 0.3 * rng.random(8)
    curves = [lambda r, a=a, b=b: 2.0 + a * r + b * r**2 for a, b in zip(slopes, bends, strict=True)]
    domain = np.stack([3.0 - grid] * 8)
    spread = spread_ratios(
        grid, np.stack([curve(grid) for curve in curves]), domain, np.full(8, ceiling), 0.5, domain[0], level
    )
    for curve, feasible, ratio in zip(curves, spread.feasible, spread.r, strict=True):
        try:
            exact = solve(curve, lambda r: 3.0 - r, ceiling, 0.1, 0.9).r
        except PlanError:
            assert not feasible
            exact = 0.1
        assert ratio == pytest.approx(exact, abs=1e-5)
    assert spread.r.min() - 1e-12 <= spread.r_lo <= spread.r_hi <= spread.r.max() + 1e-12


@given(st.sampled_from(["relative", "increase", "ceiling"]), between(-0.9, 9.0))
def test_a_tolerance_survives_its_spelling(kind, amount) -> None:
    amount = round(amount, 6)
    assume(kind != "ceiling" or amount > 0)
    tolerance = Tolerance(kind=kind, amount=amount)
    again = Tolerance.parse(str(tolerance))
    assert again.kind == kind
    assert again.amount == pytest.approx(amount, abs=1e-11)


@given(between(0.5, 5), between(0.5, 5), between(-0.5, 1.0))
def test_a_larger_loss_before_never_lowers_the_ceiling(first, second, amount) -> None:
    low, high = sorted((first, second))
    tolerance = Tolerance(kind="relative", amount=amount)
    assert tolerance.ceiling(low) <= tolerance.ceiling(high)
