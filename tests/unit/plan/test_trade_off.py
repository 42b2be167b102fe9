from __future__ import annotations

import numpy as np
import pytest

from dcpt.core.errors import PlanError
from dcpt.plan.trade_off import solve


def rising(r):
    return 2.0 + r


def falling(r):
    return 3.0 - r


def test_the_ceiling_is_met_exactly_and_never_exceeded() -> None:
    solution = solve(rising, falling, 2.3217, 0.1, 0.9)
    assert solution.r == pytest.approx(0.3217, abs=1e-9)
    assert solution.general <= 2.3217
    assert solution.binding == "ceiling"
    assert solution.feasible_share == pytest.approx((0.3217 - 0.1) / 0.8)


def test_a_ceiling_above_everything_leaves_the_edge_of_the_range() -> None:
    solution = solve(rising, falling, 9.0, 0.1, 0.9)
    assert (solution.r, solution.binding) == (0.9, "range")


def test_a_minimum_inside_is_found_when_nothing_binds() -> None:
    solution = solve(rising, lambda r: (r - 0.377) ** 2 + 1, 9.0, 0.1, 0.9)
    assert solution.r == pytest.approx(0.377, abs=1e-4)
    assert solution.binding == "none"


def test_no_feasible_ratio_says_how_close_one_gets() -> None:
    with pytest.raises(PlanError, match=r"lowest predicted is 2\.1000, at r = 0\.100") as caught:
        solve(rising, falling, 2.05, 0.1, 0.9)
    assert caught.value.exit_code == 4
    assert caught.value.hint is not None


def test_the_better_of_two_feasible_pieces_wins() -> None:
    def bump(r):  # feasible below 0.3 and above 0.6
        return 2.0 + np.exp(-(((r - 0.45) / 0.1) ** 2))

    level = 2.0 + float(np.exp(-2.25))
    assert solve(bump, falling, level, 0.1, 0.9).r == 0.9
    solution = solve(bump, rising, level, 0.1, 0.9)
    assert solution.r == 0.1
    middle = solve(bump, lambda r: (r - 0.55) ** 2 + 1, level, 0.1, 0.9)
    assert middle.r == pytest.approx(0.6, abs=1e-9)
    assert middle.binding == "ceiling"
    assert bump(np.array([middle.r]))[0] <= level


def test_a_piece_narrower_than_the_grid_is_found_at_its_minimum() -> None:
    def valley(r):
        return 2.0 + 100 * (r - 0.4567) ** 2

    solution = solve(valley, falling, 2.0 + 1e-6, 0.1, 0.9, points=21)
    assert solution.general <= 2.0 + 1e-6
    assert solution.r == pytest.approx(0.4567, abs=2e-4)


def test_a_ceiling_at_the_lowest_general_loss_is_feasible() -> None:
    assert solve(rising, falling, 2.1, 0.1, 0.9).r == pytest.approx(0.1)
