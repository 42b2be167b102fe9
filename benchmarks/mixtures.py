"""Losses from mixtures: choose and fit predictors on some runs, predict the losses of others.

`python -m benchmarks.mixtures --data FOLDER [--json]`, with train_mixture*.csv, train_*loss*.csv,
test_mixture*.csv and test_*loss*.csv joined on `index`, as RegMix publishes them. `--runs 64 --subsets 3`
fits as many runs, drawn anew each time; `--only NAME` measures one predictor without a race. Nothing is
chosen by the test runs.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from benchmarks import measure
from dcpt.core.errors import DataError
from dcpt.core.mixture_table import MixtureTable
from dcpt.fit.mixtures import (
    AdditiveRidge,
    BimixPredictor,
    BoostedTreesPredictor,
    ExponentialPredictor,
    ProcessPredictor,
    choose,
    read_mixtures,
)
from dcpt.fit.mixtures.mixture_files import align
from dcpt.fit.mixtures.mixture_fit import MixtureFit
from dcpt.fit.mixtures.scores import score

REPEATS = 3

ALONE = {
    "bimix": BimixPredictor(),
    # Trees and rate as in RegMix's code, without its early stop on the test runs.
    "boosted-trees": BoostedTreesPredictor(trees=1000, rate=0.01),
    "exponential": ExponentialPredictor(),
    "log-ridge": AdditiveRidge("log"),
    "power-ridge": AdditiveRidge("power"),
    "process": ProcessPredictor(),
}


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    options = measure.parser(str(__doc__).splitlines()[0])
    options.add_argument("--runs", type=int, help="fit so many training runs, drawn at random (default: all)")
    options.add_argument("--subsets", type=int, default=1, help="draws of --runs; scores are means over them")
    options.add_argument("--repeats", type=int, default=REPEATS, help="times to measure; the least counts")
    options.add_argument("--only", choices=ALONE, help="this predictor alone, fitted without a race")
    args = options.parse_args(arguments)
    if args.data is None:
        raise DataError("benchmarks.mixtures: --data is missing; wanted a folder of CSV files.")
    train, _ = read_mixtures(args.data, "train")
    test = align(read_mixtures(args.data, "test")[0], train)
    if args.runs is not None and not 0 < args.runs <= len(train):
        raise DataError(f"benchmarks.mixtures: --runs is {args.runs}; wanted 1 to {len(train)}.")
    each = [
        _one(_subset(train, args.runs, args.seed + k), test, args.repeats, args.only)
        for k in range(args.subsets)
    ]
    means = {name: float(np.mean([one[name] for one in each])) for name in _NUMBERS}
    lines = []
    for one in each:
        lines += [f"{one['runs']} runs, {one['predictor']}", one["words"], f"on {len(test)} test runs:"]
        lines += [f"  {name} {one[name]:.4f}" for name in _NUMBERS]
    document = {
        "benchmark": "mixtures",
        "data": args.data.name,
        "train_runs": each[0]["runs"],
        "test_runs": len(test),
        "corpora": len(train.corpora),
        "targets": len(train.targets),
        "subsets": args.subsets,
        **means,
        "predictor": each[0]["predictor"],
        "chosen_by": each[0]["chosen_by"],
        **{name: each[0][name] for name in ("ties", "held_out") if name in each[0]},
        "each": [{name: one[name] for name in (*_NUMBERS, "predictor")} for one in each]
        if len(each) > 1
        else [],
    }
    return measure.report(document, args.json, lines)


_NUMBERS = (
    *("r2", "mae", "spearman", "spearman_mean_loss", "regret", "regret_mean", "optimism", "coverage90"),
    *("seconds", "cpu_seconds"),
)


def _subset(train: MixtureTable, runs: int | None, seed: int) -> MixtureTable:
    if runs is None or runs == len(train):
        return train
    return train.rows(np.sort(np.random.default_rng(seed).permutation(len(train))[:runs]))


def _one(train: MixtureTable, test: MixtureTable, repeats: int, only: str | None) -> dict[str, Any]:
    def work() -> Any:
        fit = choose(train) if only is None else ALONE[only].fit(train)
        return fit, fit.mean(test.shares), fit.sd(test.shares)

    seconds, (fit, mean, sd) = measure.best_of(work, repeats)
    scored = score(mean, sd, test.losses)
    pooled = score(mean.mean(axis=1)[:, None], sd[:, :1], test.losses.mean(axis=1)[:, None])
    return {
        "runs": len(train),
        "predictor": fit.name,
        **(_race(fit) if only is None else {"chosen_by": "named by --only", "words": ""}),
        **{
            name: getattr(scored, name)
            for name in ("r2", "mae", "spearman", "regret", "regret_mean", "optimism")
        },
        "spearman_mean_loss": pooled.spearman,
        "coverage90": scored.coverage,
        "seconds": seconds.wall,
        "cpu_seconds": seconds.cpu,
    }


def _race(fit: MixtureFit) -> dict[str, Any]:
    return {
        "chosen_by": f"cross-validation over the training mixtures, {fit.choice.folds} folds",
        "words": str(fit.choice),
        "ties": list(fit.choice.ties),
        "held_out": dataclasses.asdict(fit.choice.chosen),
    }


if __name__ == "__main__":
    measure.run(main)
