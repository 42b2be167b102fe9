"""Losses with a known truth, drawn by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

CHINCHILLA = {"E": 1.817, "A": 477.8, "B": 2143.0, "alpha": 0.347, "beta": 0.367}
"""What the fitter finds on the 240 points Epoch AI digitised from Hoffmann et al. 2022, Fig. 4."""

DCPT = {
    "narrow eps": dict(E=0.85, A=260.0, alpha=0.30, B=55.0, beta=0.25, nu=0.4, C=0.22, gamma=0.35, eps=0.03),
    "wide eps": dict(E=0.85, A=260.0, alpha=0.30, B=55.0, beta=0.25, nu=1.3, C=0.22, gamma=0.35, eps=0.1),
}
"""Two truths of the D-CPT law L3 (Que et al. 2024, Eq. 6): one whose mixture term has a long valley, and
one with the published sizes of nu and eps, whose ratios begin at 0."""

SIZES = (70e6, 410e6, 1.4e9)
RATIOS = {
    "narrow eps": tuple(np.linspace(0.1, 0.9, 9)),
    "wide eps": (0.0, 0.1, 0.2, 0.33, 0.5, 0.66, 0.8, 0.9, 1.0),
}
LEAST, MOST = 1e9, 20e9


def chinchilla_loss(N: np.ndarray, D: np.ndarray, truth: Mapping[str, float] = CHINCHILLA) -> np.ndarray:
    """Loss of the Chinchilla law at N parameters and D tokens."""
    return truth["E"] + truth["A"] * N ** -truth["alpha"] + truth["B"] * D ** -truth["beta"]


def dcpt_loss(N: np.ndarray, D: np.ndarray, r: np.ndarray, truth: Mapping[str, float]) -> np.ndarray:
    """Domain loss of the D-CPT law L3; at r = 0 its token term is off."""
    tokens = np.where(r > 0, truth["B"] * r ** truth["nu"] * D ** -truth["beta"], 0.0)
    mixture = truth["C"] * (r + truth["eps"]) ** -truth["gamma"]
    return truth["E"] + truth["A"] * N ** -truth["alpha"] + tokens + mixture


def chinchilla_points(seed: int = 0, rows: int = 240, noise: float = 0.005) -> pd.DataFrame:
    """Runs of 3e18 to 1e22 FLOPs (6 N D) with 2 to 500 tokens per parameter: columns N, D, loss."""
    rng = np.random.default_rng(seed)
    flops = 10 ** rng.uniform(18.5, 22.0, rows)
    per_parameter = 10 ** rng.uniform(0.3, 2.7, rows)
    N = np.sqrt(flops / 6 / per_parameter)
    D = flops / 6 / N
    loss = chinchilla_loss(N, D) * np.exp(noise * rng.standard_normal(rows))
    return pd.DataFrame({"N": N, "D": D, "loss": loss})


def dcpt_points(
    seed: int = 0,
    truth: str = "narrow eps",
    checkpoints: int = 20,
    noise: float = 0.002,
    correlated: bool = False,
    sizes: Sequence[float] = SIZES,
) -> pd.DataFrame:
    """3 sizes x 9 ratios x `checkpoints`: columns N, D, r, run, loss.

    Parameters
    ----------
    seed, truth, checkpoints, sizes
        Seed of the noise, key of `DCPT`, rows per run, model sizes.
    noise : float
        Standard deviation of the log loss.
    correlated : bool
        Instead of independent noise, an AR(1) of 0.9 along each run and an offset of each run, both
        with that standard deviation.
    """
    rng = np.random.default_rng(seed)
    tokens = np.linspace(LEAST, MOST, checkpoints)
    N, r, D = np.meshgrid(sizes, RATIOS[truth], tokens, indexing="ij")
    scatter = rng.standard_normal((len(sizes) * len(RATIOS[truth]), checkpoints))
    if correlated:
        for step in range(1, checkpoints):
            scatter[:, step] = 0.9 * scatter[:, step - 1] + np.sqrt(1 - 0.9**2) * scatter[:, step]
        scatter = scatter + rng.standard_normal((len(scatter), 1))
    frame = pd.DataFrame({"N": N.ravel(), "D": D.ravel(), "r": r.ravel()})
    frame["run"] = np.repeat(np.arange(len(scatter)), checkpoints)
    frame["loss"] = dcpt_loss(N, D, r, DCPT[truth]).ravel() * np.exp(noise * scatter.ravel())
    return frame
