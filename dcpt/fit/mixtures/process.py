"""Warped-input Gaussian process: the predictor of most mixtures of many corpora."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcpt.core.mixture_table import MixtureTable
from dcpt.fit.mixtures.gaussian_process import GaussianProcess
from dcpt.fit.mixtures.marginal_likelihood import Hyper, MarginalLikelihood
from dcpt.fit.mixtures.predictor import HeldOut, as_shares, hold_out
from dcpt.fit.mixtures.repeats import repeat_variance
from dcpt.fit.mixtures.scaling import LossScale, ShareScale
from dcpt.fit.threads import one_thread

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

FIRST_ROWS, FIRST_STEPS = 120, 25
"""Runs and steps of the first, rough fit of hyper-parameters: an evaluation costs the cube of the runs."""

HYPER_ROWS, HYPER_STEPS = 200, 15
"""Runs and steps of the second. More did not predict RegMix's held-out runs better (240 runs, 25 steps)."""

MOST_ROWS = 2000
"""Runs the process is conditioned on at most, drawn at random beyond."""

REFIT_ROWS = 100
"""Below so many runs the hyper-parameters are fitted again for each fold that is left out. From there on they
are fitted to some runs, and only the others, which they have not seen, count as held out."""


@dataclass(frozen=True)
class ProcessPredictor:
    """A process per target: Matern-5/2 with a length scale per corpus, plus a linear term, plus noise.

    Parameters
    ----------
    warp : str
        What the kernel sees of a share: ``root``, ``cube-root`` or ``log``.
    log : bool
        Whether the logarithm of the loss is fitted.
    starts : mapping of str to array
        Target to logarithms of hyper-parameters to start from (see `MarginalLikelihood`).
    """

    warp: str = "cube-root"
    log: bool = True
    starts: Mapping[str, Array] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``process``, with its warp and the scale of the loss."""
        return f"process({self.warp}, {'log loss' if self.log else 'loss'})"

    def fit(self, table: MixtureTable, seed: int = 0) -> FittedProcess:
        """Fit hyper-parameters on a subsample of the runs, condition on all."""
        return self._fit(table, np.random.default_rng(seed).permutation(len(table)), HYPER_ROWS)

    def cross_fit(self, table: MixtureTable, folds: Integers, seed: int = 0) -> tuple[FittedProcess, HeldOut]:
        """Fit, and hold folds out; from `REFIT_ROWS` runs on, of runs the hyper-parameters have not seen."""
        if len(table) < REFIT_ROWS:
            return self.fit(table, seed), hold_out(self, table, folds, seed)
        order = np.random.default_rng(seed).permutation(len(table))
        most = hyper_rows(len(table))
        fitted = self._fit(table, order, most)
        kept = fitted.rows
        mean, sd = np.full((2, *table.losses.shape), np.nan)
        # A repeat of a mixture that the hyper-parameters have seen is not fresh either.
        fresh = np.where(np.isin(table.mixtures, table.mixtures[order[:most]]), -1, folds)
        with one_thread():
            for column, (scale, process) in enumerate(zip(fitted.losses, fitted.processes, strict=True)):
                scaled, variance = process.leave_folds_out(fresh[kept])
                mean[kept, column] = scale.back(scaled)
                sd[kept, column] = np.sqrt(variance) * scale.slope(mean[kept, column])
        held = HeldOut(mean, sd, np.isfinite(mean).all(axis=1))
        if most == HYPER_ROWS:
            return fitted, held
        starts = {name: one.hyper.logs() for name, one in zip(table.targets, fitted.processes, strict=True)}
        return replace(self, starts=starts)._fit(table, order, HYPER_ROWS), held

    def _fit(self, table: MixtureTable, order: Integers, most: int) -> FittedProcess:
        rows = np.sort(order[:MOST_ROWS])
        scale = ShareScale.of(self.warp, table.shares[rows])
        losses = tuple(LossScale.of(column, self.log) for column in table.losses[rows].T)
        inputs = scale(table.shares)
        processes = []
        with one_thread():
            for target, column, loss in zip(table.targets, table.losses.T, losses, strict=True):
                outputs = loss(column)
                repeats = repeat_variance(table.mixtures, outputs)
                theta = fit_hyper(inputs, outputs, order, most, repeats, self.starts.get(target))
                hyper = Hyper.from_logs(theta)
                processes.append(GaussianProcess(hyper, inputs[rows], outputs[rows]))
        return FittedProcess(
            self.name, table.corpora, table.targets, scale, losses, tuple(processes), table.shares[rows], rows
        )


def hyper_rows(runs: int) -> int:
    """How many of so many runs hyper-parameters may see when the others are held out."""
    return min(HYPER_ROWS, runs // 2)


def fit_hyper(
    inputs: Array,
    outputs: Array,
    order: Integers,
    most: int,
    repeats: tuple[float, int] = (0.0, 0),
    start: Array | None = None,
) -> Array:
    """Logarithms of the hyper-parameters of one target, from the first runs of `order`."""
    rows = order[:most]
    if start is None:
        first = rows[:FIRST_ROWS]
        start, _ = MarginalLikelihood(inputs[first], outputs[first], repeats).maximise(None, FIRST_STEPS)
    return MarginalLikelihood(inputs[rows], outputs[rows], repeats).maximise(start, HYPER_STEPS)[0]


@dataclass(frozen=True)
class FittedProcess:
    """Processes of all targets; see `FittedPredictor` for what it answers.

    Attributes
    ----------
    name : str
        The predictor's name.
    corpora, targets : tuple of str
        Names of the columns of shares and losses.
    scale : ShareScale
        What the kernels see of the shares.
    losses : tuple of LossScale
        Scale of each target.
    processes : tuple of GaussianProcess
        One per target.
    shares : ndarray, shape (n, p)
        Mixtures the processes are conditioned on.
    rows : ndarray of int, shape (n,)
        Where these stand in the table that was fitted.
    """

    name: str
    corpora: tuple[str, ...]
    targets: tuple[str, ...]
    scale: ShareScale
    losses: tuple[LossScale, ...]
    processes: tuple[GaussianProcess, ...]
    shares: Array
    rows: Integers

    def mean(self, shares: ArrayLike) -> Array:
        """Predicted losses, shape (q, k); where the logarithm was fitted, the median."""
        inputs = self.scale(as_shares(shares, self.corpora))
        with one_thread():
            parts = [loss.back(one.mean(inputs)) for loss, one in self._each()]
        return np.stack(parts, axis=1)

    def sd(self, shares: ArrayLike, noise: bool = True) -> Array:
        """Standard deviation of a new run's loss, or of the expected loss, shape (q, k)."""
        inputs = self.scale(as_shares(shares, self.corpora))
        parts = []
        with one_thread():
            for loss, one in self._each():
                mean, variance = one.mean_and_variance(inputs)
                total = variance + (one.hyper.noise if noise else 0.0)
                parts.append(np.sqrt(total) * loss.slope(loss.back(mean)))
        return np.stack(parts, axis=1)

    def draws(self, shares: ArrayLike, count: int, seed: int = 0) -> Array:
        """Functions drawn from the posterior at these mixtures, shape (count, q, k)."""
        inputs = self.scale(as_shares(shares, self.corpora))
        with one_thread():
            parts = [
                loss.back(one.functions(inputs, count, seed + 7919 * column))
                for column, (loss, one) in enumerate(self._each())
            ]
        return np.stack(parts, axis=2)

    def gradient(self, shares: ArrayLike) -> Array:
        """Derivatives of `mean` by each share, shape (q, k, p)."""
        array = as_shares(shares, self.corpora)
        inputs, slope = self.scale(array), self.scale.slope(array)
        parts = []
        with one_thread():
            for loss, one in self._each():
                by_loss = loss.slope(loss.back(one.mean(inputs)))
                parts.append(by_loss[:, None] * one.gradient(inputs) * slope)
        return np.stack(parts, axis=1)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "kind": "process",
            "name": self.name,
            "corpora": list(self.corpora),
            "targets": list(self.targets),
            "warp": self.scale.warp,
            "low": list(self.scale.low),
            "span": [value if np.isfinite(value) else None for value in self.scale.span],
            "losses": [[loss.log, loss.centre, loss.spread] for loss in self.losses],
            "hyper": [one.hyper.to_list() for one in self.processes],
            "shares": self.shares.tolist(),
            "outputs": [one.outputs.tolist() for one in self.processes],
            "rows": self.rows.tolist(),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> FittedProcess:
        """Undo `to_dict`."""
        span = tuple(np.inf if value is None else float(value) for value in document["span"])
        scale = ShareScale(str(document["warp"]), tuple(map(float, document["low"])), span)
        shares = np.array(document["shares"], dtype=np.float64)
        inputs = scale(shares)
        return cls(
            name=str(document["name"]),
            corpora=tuple(document["corpora"]),
            targets=tuple(document["targets"]),
            scale=scale,
            losses=tuple(LossScale(bool(log), float(c), float(s)) for log, c, s in document["losses"]),
            processes=tuple(
                GaussianProcess(Hyper.from_list(values), inputs, np.array(outputs, dtype=np.float64))
                for values, outputs in zip(document["hyper"], document["outputs"], strict=True)
            ),
            shares=shares,
            rows=np.array(document["rows"], dtype=np.int64),
        )

    def _each(self) -> zip[tuple[LossScale, GaussianProcess]]:
        return zip(self.losses, self.processes, strict=True)
