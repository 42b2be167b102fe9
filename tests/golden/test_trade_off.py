"""The published trade-off of Que et al. 2024 (arXiv:2406.01375): chemistry, 1.8B, 10B tokens, T = 3 %."""

from __future__ import annotations

from types import MappingProxyType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from dcpt.plan.make_plan import make_plan
from dcpt.plan.objective import Objective
from dcpt.plan.trade_off import solve

# Table 5 of the paper: domain share, general loss, domain loss, measured.
RATIO = np.array([0.90, 0.91, 0.92, 0.924, 0.93, 0.94, 1.0])
GENERAL = np.array([2.9052, 2.9193, 2.9376, 2.9445, 2.9644, 2.9848, 3.4667])
DOMAIN = np.array([1.7321, 1.7312, 1.7311, 1.7291, 1.7279, 1.7265, 1.7220])
BEFORE = 2.8602
"""General loss before continual pre-training (the paper's L_g0)."""


class InterpolatedFit:
    """A stand-in for a fit: the measured table itself, linear between its rows, without draws."""

    law = SimpleNamespace(name="table", inputs=("N", "D", "s"), hash="table", names=(), sees_mixture=True)
    status, warnings, holdouts, mae, residual_sigma = "converged", (), (), 0.0, 0.0
    ranges = {"N": (1.8e9, 1.8e9), "D": (1e10, 1e10), "r": (0.9, 0.99)}  # noqa: RUF012
    draws, resamples = np.empty((0, 0)), np.empty(0, dtype=int)
    metric, unit = "loss", "nats_per_token"
    bases = MappingProxyType({})

    def __init__(self, eval_set: str, losses: np.ndarray) -> None:
        self.eval_set = self.role = eval_set
        self.losses = losses

    def mean(self, N, D, r, given=None):
        return np.interp(np.atleast_1d(r), RATIO, self.losses)

    def predict(self, N, D, r, level=0.9, given=None):
        mean = self.mean(N, D, r)
        names = ("mean", "mean_lo", "mean_hi", "obs_lo", "obs_hi")
        return pd.DataFrame({"r": np.atleast_1d(r), **dict.fromkeys(names, mean)})

    def holdout(self, kind, model=None):
        return ()

    def to_dict(self):
        return {"eval_set": self.eval_set}


class InterpolatedFits(list):
    def best(self, side, law=None, D=None):
        return next(fit for fit in self if fit.eval_set == side)


FITS = InterpolatedFits([InterpolatedFit("general", GENERAL), InterpolatedFit("domain", DOMAIN)])


def test_the_ceiling_is_the_papers() -> None:
    plan = make_plan(FITS, Objective.of(
        {"N": "1.8B", "D": "10B", "keep": "general <= +3%", "general_now": BEFORE}
    ))  # fmt: skip
    assert plan.ceiling == pytest.approx(2.9460, abs=5e-5)
    # Linear interpolation of Table 5 crosses the ceiling at 0.92445; the paper's law says 0.924.
    assert plan.r == pytest.approx(0.92445, abs=1e-5)
    assert plan.domain.mean == pytest.approx(1.7290, abs=1e-4)
    assert plan.binding == "ceiling"
    # The replay share is below 0.1, where the paper itself warns of its law (App. I.3).
    assert "near_pure_mixture" in {caveat.kind for caveat in plan.caveats}


def test_no_replay_costs_a_fifth_of_the_general_loss() -> None:
    solution = solve(
        lambda r: np.interp(r, RATIO, GENERAL), lambda r: np.interp(r, RATIO, DOMAIN), 9.0, 0.9, 1.0
    )
    assert solution.r == 1.0
    assert solution.general / BEFORE - 1 == pytest.approx(0.212, abs=5e-4)


def test_the_table_is_the_shared_one(shared) -> None:
    path = shared / "losses" / "published_cpt_tables" / "dcpt2024_table5_chemistry_qwen1.8B_10B.csv"
    frame = pd.read_csv(path)
    assert frame["domain_ratio"].to_numpy() == pytest.approx(RATIO)
    assert frame["general_loss"].to_numpy() == pytest.approx(GENERAL)
    assert frame["domain_loss"].to_numpy() == pytest.approx(DOMAIN)
