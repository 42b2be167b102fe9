"""Fits whose truth is known: a law's parameters with made-up draws, without any fitting."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dcpt.core.loss_table import LossTable
from dcpt.core.symbols import UNITS
from dcpt.fit.dataset import Units
from dcpt.fit.fit_file import FitSet
from dcpt.fit.law_fit import LawFit
from dcpt.fit.score import LARGEST_D, LARGEST_N, HoldoutScore
from dcpt.laws.registry import get_law

# E, A, B, C, alpha, nu, beta, eps, gamma for N and D in millions, near fits of real small decoders.
GENERAL = {
    "E": 1.0,
    "A": 0.9,
    "B": 0.15,
    "C": 1.2,
    "alpha": 0.12,
    "nu": 0.3,
    "beta": 0.3,
    "eps": 0.1,
    "gamma": 0.1,
}
DOMAIN = {
    "E": 0.6,
    "A": 0.5,
    "B": 0.6,
    "C": 0.9,
    "alpha": 0.2,
    "nu": 0.1,
    "beta": 0.3,
    "eps": 0.05,
    "gamma": 0.3,
}

SIZES = (0.055e6, 0.094e6, 0.22e6, 0.6e6)
TOKENS = (0.33e6, 0.66e6, 1.3e6)
RATIOS = (0.1, 0.25, 0.5, 0.75, 0.9)
BASE = {"E": 1.4, "A": 2.0, "alpha": 0.16}
"""Base loss of a size N in millions: E + A*N**-alpha."""


def base_loss(N: float) -> float:
    return BASE["E"] + BASE["A"] * (N / 1e6) ** -BASE["alpha"]


def fit_of(
    side: str,
    values: dict[str, float] | None = None,
    *,
    law: str = "d-cpt",
    draws: int = 200,
    spread: float = 0.01,
    noise: float = 0.003,
    held_out: float | None = 0.01,
    baseline: float = 0.05,
    seed: int = 3,
    scale: float = 1.0,
    metric: str = "loss",
) -> LawFit:
    kind = get_law(law)
    values = values or (GENERAL if side == "general" else DOMAIN)
    theta = np.array([values[name] * (scale if name in kind.linear_names else 1) for name in kind.names])
    rng = np.random.default_rng(seed)
    scores = []
    if held_out is not None:
        for model, error in ((law, held_out), ("log-linear", baseline)):
            for what, level, reach in ((LARGEST_N, 0.6e6, 1.0), (LARGEST_D, 1.3e6, 0.7)):
                scores.append(HoldoutScore(what, level, model, 15, error, error / 3, 0.001, error / 3, reach))
    return LawFit(
        law=kind, eval_set=side, role=side, metric=metric, unit=UNITS[metric], theta=theta,
        draws=theta * np.exp(spread * rng.standard_normal((draws, len(theta)))),
        resamples=np.arange(draws),
        units=Units(1e6, 1e6), ranges={"N": (0.055e6, 0.6e6), "D": (0.33e6, 1.3e6), "r": (0.1, 0.9)},
        status="converged", objective=1e-3, delta=1e-3, agree=4, starts=6, draws_converged=1.0,
        residual_sigma=noise, mae=0.005, mape=0.002, rows=60, runs=20, dropped={}, holdouts=tuple(scores),
        corner_errors={}, warnings=(), fixed={}, ties={}, fingerprint="0" * 16, seed=seed,
    )  # fmt: skip


def fits(**options: object) -> FitSet:
    return FitSet((fit_of("general", **options), fit_of("domain", **options)), {})


def table(noise: float = 0.003, sizes: tuple[float, ...] = SIZES, seed: int = 0) -> LossTable:
    """Ends and bases of a small sweep, drawn from the laws above."""
    rng = np.random.default_rng(seed)
    rows = []
    for side in ("general", "domain"):
        truth = fit_of(side, draws=1)
        for N in sizes:
            rows.append(
                {"N": N, "D": 0.0, "r": 0.0, "eval_set": side, "value": base_loss(N), "run_id": f"base-{N:g}"}
            )
            for r in RATIOS:
                for D in TOKENS:
                    value = float(truth.mean(N, D, r)[0] * np.exp(noise * rng.standard_normal()))
                    rows.append({"N": N, "D": D, "r": r, "eval_set": side, "value": value,
                                 "run_id": f"n{N:g}-d{D:g}-r{r:g}"})  # fmt: skip
    return LossTable.from_frame(pd.DataFrame(rows))
