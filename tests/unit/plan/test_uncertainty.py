from __future__ import annotations

import numpy as np
import pytest

from dcpt.plan.uncertainty import spread_ratios

GRID = np.linspace(0.1, 0.9, 401)


def test_the_spread_of_the_crossing_is_recovered() -> None:
    shift = 0.03 * np.random.default_rng(0).standard_normal(4000)
    general = 2.0 + GRID[None, :] + shift[:, None]
    domain = np.broadcast_to(3.0 - GRID, general.shape)
    spread = spread_ratios(GRID, general, domain, np.full(4000, 2.5), 0.5, 3.0 - GRID, 0.9)
    assert spread.r == pytest.approx(0.5 - shift, abs=1e-9)  # linear losses: the interpolation is exact
    assert spread.r_lo == pytest.approx(0.5 - 1.645 * 0.03, abs=0.003)
    assert spread.r_hi == pytest.approx(0.5 + 1.645 * 0.03, abs=0.003)
    assert spread.infeasible_share == 0.0
    assert spread.kept_at_r == pytest.approx(0.5, abs=0.03)
    assert spread.r_cautious == pytest.approx(0.5 - 1.2816 * 0.03, abs=0.004)


def test_infeasible_draws_stand_at_their_lowest_general_loss() -> None:
    general = np.stack([2.0 + GRID, 5.0 + GRID])
    domain = np.broadcast_to(3.0 - GRID, general.shape)
    spread = spread_ratios(GRID, general, domain, np.full(2, 2.5), 0.5, 3.0 - GRID, 0.9)
    assert spread.infeasible_share == 0.5
    assert spread.r == pytest.approx([0.5, 0.1])
    assert spread.r_cautious is None
