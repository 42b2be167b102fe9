"""Facts about plans that hold for every law and every tolerance."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dcpt.core.errors import PlanError
from dcpt.plan.front import efficient
from dcpt.plan.limit import Limit
from dcpt.plan.objective import Objective
from dcpt.plan.trade_off import GRID, Bound, solve, solve_bounds
from dcpt.plan.uncertainty import spread_ratios
from dcpt.plan.weights import parse_weights, spell_weights

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
    tolerance = Limit(kind=kind, amount=amount)
    again = Limit.parse(str(tolerance))
    assert again.kind == kind
    assert again.amount == pytest.approx(amount, abs=1e-11)


@given(between(0.5, 5), between(0.5, 5), between(-0.5, 1.0))
def test_a_larger_loss_before_never_lowers_the_ceiling(first, second, amount) -> None:
    low, high = sorted((first, second))
    tolerance = Limit(kind="relative", amount=amount)
    assert tolerance.ceiling(low) <= tolerance.ceiling(high)


@given(
    st.lists(wiggly(), min_size=1, max_size=3), wiggly(), st.lists(between(1.5, 4.5), min_size=3, max_size=3)
)
def test_several_ceilings_are_all_kept_or_the_nearest_is_named(curves, domain, ceilings) -> None:
    bounds = [Bound(f"set{k}", curve, ceilings[k]) for k, curve in enumerate(curves)]
    grid = np.linspace(0.1, 0.9, GRID)
    inside = np.all([bound.curve(grid) <= bound.ceiling for bound in bounds], axis=0)
    try:
        solution = solve_bounds(bounds, domain, 0.1, 0.9)
    except PlanError as error:
        solution, hint = None, str(error.hint)
    if solution is None:
        assert not inside.any()
        assert "set" in hint.partition(":")[2]  # the sets that are not kept, with what they could keep
        return
    assert all(bound.curve(np.array([solution.r]))[0] <= bound.ceiling for bound in bounds)
    if inside.any():
        assert solution.domain <= domain(grid)[inside].min() + 1e-12
    if solution.binding == "ceiling":
        gaps = {b.label: b.ceiling - b.curve(np.array([solution.r]))[0] for b in bounds}
        assert solution.bound == min(gaps, key=gaps.__getitem__)


@given(wiggly(), wiggly(), st.lists(between(1.8, 4.2), min_size=2, max_size=5))
def test_tightening_a_tolerance_never_lowers_the_best_domain_loss(general, domain, ceilings) -> None:
    best = []
    for ceiling in sorted(ceilings, reverse=True):
        try:
            best.append(solve(general, domain, ceiling, 0.1, 0.9).domain)
        except PlanError:
            best.append(np.inf)
    assert all(tight >= loose - 1e-9 for loose, tight in pairwise(best))


@given(monotone(), monotone(), between(0.02, 0.98))
def test_the_best_ratio_moves_continuously_with_the_tolerance(general, domain, share) -> None:
    """A small step of the ceiling moves r by the step over the slope of the general loss, no more."""
    losses = general(1 - np.array([0.1, 0.9]))
    ceiling = losses[0] + share * (losses[1] - losses[0])
    step = 1e-4 * (losses[1] - losses[0])
    assume(step > 1e-9)
    low, high = (solve(lambda r: general(1 - r), domain, c, 0.1, 0.9).r for c in (ceiling, ceiling + step))
    fine = np.linspace(max(low - 0.01, 0.1), min(high + 0.01, 0.9), 200)
    steepest = np.diff(general(1 - fine)).min() / (fine[1] - fine[0])
    assert 0 <= high - low <= step / steepest + 1e-6


@given(wiggly(), wiggly(), between(1.5, 4.5), between(0.01, 100.0))
def test_an_answer_does_not_depend_on_the_unit_of_the_losses(general, domain, ceiling, unit) -> None:
    """Nats per token into bits per byte is one factor for every loss and ceiling."""

    def scaled(curve):
        return lambda r: unit * curve(r)

    try:
        plain = solve(general, domain, ceiling, 0.1, 0.9)
    except PlanError:
        with pytest.raises(PlanError):
            solve(scaled(general), scaled(domain), unit * ceiling * (1 - 1e-12), 0.1, 0.9)
        return
    other = solve(scaled(general), scaled(domain), unit * ceiling * (1 + 1e-12), 0.1, 0.9)
    # Two places may share the best loss: then either is right.
    assert other.domain == pytest.approx(unit * plain.domain, rel=1e-6)


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True), between(1e-6, 1e6), min_size=1))
def test_weights_survive_their_spelling(weights) -> None:
    assert parse_weights(spell_weights(weights)) == pytest.approx(weights)


@given(between(1e-3, 999.0), st.sampled_from([("k", 1e3), ("M", 1e6), ("B", 1e9), ("T", 1e12)]))
def test_quantities_mean_the_same_however_they_are_written(number, magnitude) -> None:
    letter, scale = magnitude
    written, plain = (
        Objective.of({"N": 1e9, "D": value, "keep": "general <= 3"}).D
        for value in (f"{number!r}{letter}", number * scale)
    )
    assert written == plain


@given(st.integers(1, 3), st.integers(2, 30), st.integers(0, 10**6))
def test_the_front_holds_the_best_of_every_balance(extra, points, seed) -> None:
    """No positive weights have their minimum off the front."""
    rng = np.random.default_rng(seed)
    losses = rng.random((1 + extra, points))
    on = efficient(list(losses))
    assert on.any()
    for weights in rng.random((5, 1 + extra)) + 1e-3:
        assert on[np.argmin(weights @ losses)]
