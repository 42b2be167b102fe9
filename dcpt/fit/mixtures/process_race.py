"""Which warp and which scale of the loss suit a set of runs: a race of processes on few runs and targets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import FitError
from dcpt.core.mixture_table import MixtureTable
from dcpt.fit.mixtures.gaussian_process import GaussianProcess
from dcpt.fit.mixtures.marginal_likelihood import Hyper, MarginalLikelihood
from dcpt.fit.mixtures.process import FIRST_STEPS, REFIT_ROWS, ProcessPredictor, hyper_rows
from dcpt.fit.mixtures.scaling import LossScale, ShareScale
from dcpt.fit.mixtures.warp import WARPS
from dcpt.fit.threads import one_thread

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST_TARGETS = 4
"""Targets the race looks at, drawn at random: warps are chosen for the set of runs, not per target."""

KEPT, MANY_RUNS = 3, 300
"""Processes that go on with fewer runs than `MANY_RUNS`; with more only the best one. Averaging three
predicts a little better in three times the time, and with few runs there is time for it."""

FITTED = 0.6
"""Share of the race's runs that are fitted, with many runs; the others are predicted."""

NEAR = 1.25
"""A process whose squared error in the race is more than this times the best one's is left behind."""


def race_processes(table: MixtureTable, folds: Integers, seed: int = 0) -> tuple[ProcessPredictor, ...]:
    """The processes that are worth fitting to all runs, best first.

    With many runs each is fitted to some and scored on as many others. With few, hyper-parameters are
    fitted to all runs and folds left out in closed form: all contenders have the same number of them.
    """
    contenders = [ProcessPredictor(warp, log) for log in (True, False) for warp in WARPS]
    generator = np.random.default_rng(seed)
    targets = np.sort(generator.permutation(len(table.targets))[:MOST_TARGETS])
    few = len(table) < REFIT_ROWS
    # The rows a fit begins its hyper-parameters with are the same: what is learnt here is where it starts.
    order = np.random.default_rng(seed).permutation(len(table))
    errors = []
    with one_thread():
        for number, contender in enumerate(contenders):
            starts, error = {}, 0.0
            for column in targets:
                theta, one = _race(contender, table, int(column), order, folds if few else None)
                starts[table.targets[column]] = theta
                error += one
            errors.append(error / len(targets))
            contenders[number] = replace(contender, starts={} if few else starts)
    if not np.isfinite(errors).any():
        raise FitError("process: no warp led to a fit.")
    best = np.argsort(errors, kind="stable")[: KEPT if len(table) < MANY_RUNS else 1]
    return tuple(contenders[place] for place in best if errors[place] <= NEAR * errors[best[0]])


def _race(
    contender: ProcessPredictor, table: MixtureTable, column: int, order: Integers, folds: Integers | None
) -> tuple[Array, float]:
    """Hyper-parameters of one target, and its held-out squared error over the losses' variance."""
    if folds is not None:
        some = rest = order
    else:
        # Runs that are held out later must not choose the warp either.
        most = hyper_rows(len(order))
        begin = round(FITTED * most)
        some, rest = order[:begin], order[begin:most]
    losses = table.losses[:, column]
    inputs = ShareScale.of(contender.warp, table.shares[some])(table.shares)
    scale = LossScale.of(losses[some], contender.log)
    outputs = scale(losses)
    theta, _ = MarginalLikelihood(inputs[some], outputs[some]).maximise(None, FIRST_STEPS)
    process = GaussianProcess(Hyper.from_logs(theta), inputs[some], outputs[some])
    predicted = process.mean(inputs[rest]) if folds is None else process.leave_folds_out(folds[some])[0]
    wrong = scale.back(predicted) - losses[rest]
    return theta, float((wrong**2).mean() / (losses[some].var() + 1e-300))
