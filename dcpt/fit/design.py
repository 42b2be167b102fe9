"""What the rows can tell at all, before any loss is looked at."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError, FitError
from dcpt.core.quantity import format_quantity
from dcpt.fit.bootstrap import LONE_SIZES
from dcpt.fit.dataset import FitData
from dcpt.fit.doubt import FitWarning
from dcpt.fit.residuals import hardly_varies
from dcpt.fit.space import Space
from dcpt.laws.law import Law

Array = NDArray[np.float64]

FEW_RUNS, FEW_SIZES = 10, 3
"""Below these the bootstrap has too little to resample: coverage tests with fewer failed."""

TOGETHER = 0.98
"""Correlation of log N and log D from which a design counts as one number of tokens per parameter."""

STEADY = 1.5
"""Ratio of the largest to the smallest D / N up to which it counts as one number."""

SMALLEST_SHARE = 0.15
"""Smallest share from which the offset eps is not identified. Half the middle 68 % of its refits is 0.2 of
its value with shares from 0.05 on, 0.5 from 0.1, 0.9 from 0.15, 2 from 0.2 and 5 from 0.3 (synthetic
D-CPT losses of eps 0.05: 3 sizes, 9 ratios, 20 budgets, noise 0.002)."""

_WORDS = {"N": "model size", "D": "number of tokens", "s": "ratio", "r": "ratio"}
_NEEDS = {"s": "r", "r": "r"}


def missing_input(law: Law, data: FitData) -> str | None:
    """First input of the law that the rows do not have, or have only in part."""
    inputs = data.inputs
    return next(
        (name for name in law.inputs if name not in inputs or not np.isfinite(inputs[name]).all()), None
    )


def check_design(law: Law, data: FitData, space: Space) -> None:
    """Refuse data on which some of the law's terms cannot be told apart whatever the losses are.

    Raises
    ------
    ConfigError
        When the data lack an input of the law.
    FitError
        When there are fewer rows than free parameters, or an input of the law has one value only
        while a parameter that acts through it is free.
    """
    missing = missing_input(law, data)
    if missing is not None:
        column = _NEEDS.get(missing, missing)
        raise ConfigError(
            f"law {law.name} needs {_word(law, missing)} ({column}); the rows of {data.eval_set} "
            "do not all have it.",
            hint=f"map your own column to it: --map {column}=YOUR_COLUMN, or choose a law without it",
        )
    if len(data) < len(space.free):
        raise FitError(
            f"law {law.name} has {len(space.free)} free parameters; {data.eval_set} has {len(data)} rows "
            "to fit.",
            hint="measure more points, choose a law with fewer parameters, or fix some of them",
        )
    # L0, U, Dmin and the schedule's inputs may well be the same everywhere: the parameters that go
    # with them act through N or D too, and the rank of the fit says when they do not.
    for name in law.inputs:
        if name not in _WORDS and name not in {column.name for column in law.columns}:
            continue
        values = data.inputs[name]
        if values.max() > values.min() + 1e-6 * abs(values.min()):
            continue
        idle = [item for item in law.compiled.moves[name] if item in space.free_names]
        if idle:
            word = _word(law, name)
            raise FitError(
                f"{data.eval_set} has one {word} only; law {law.name} needs several to tell "
                f"{', '.join(idle)} apart.",
                hint=f"measure at a second {word} (three or more to extrapolate), or choose a law "
                f"without {name}",
            )


def _word(law: Law, name: str) -> str:
    return _WORDS.get(name) or law.symbols[name].meaning


def design_doubts(law: Law, data: FitData, space: Space) -> Iterator[FitWarning]:
    """Reasons for doubt that the design alone gives: few sizes or runs, N and D together, narrow ratios."""
    sizes = np.unique(data.N)
    runs = len(np.unique(data.groups))
    if "N" in law.inputs and len(sizes) < FEW_SIZES:
        yield FitWarning(
            "few_sizes",
            f"There are {len(sizes)} model sizes, too few for the size term (wanted {FEW_SIZES} or more); "
            "predictions at other sizes are guesses.",
        )
    if runs < FEW_RUNS:
        yield FitWarning(
            "few_runs",
            f"There are {runs} independent runs (wanted {FEW_RUNS} or more); intervals from so few are too "
            "narrow.",
        )
    pairs = np.unique(np.stack([data.N, data.groups.astype(np.float64)]), axis=1)[0]
    lonely, counts = np.unique(pairs, return_counts=True)
    alone = lonely[counts < 2]
    if 0 < len(alone) < LONE_SIZES:  # more of them are resampled together
        names = ", ".join(format_quantity(float(size)) for size in alone)
        many = len(alone) > 1
        yield FitWarning(
            "few_runs",
            f"{'Sizes' if many else 'Size'} {names} "
            f"{'have' if many else 'has'} one run, which cannot be resampled; intervals are too narrow.",
        )
    yield from _together(law, data)
    if hardly_varies(data.loss):
        yield FitWarning(
            "flat_loss",
            f"The losses hardly vary (from {data.loss.min():.6g} to {data.loss.max():.6g}): there is nothing "
            "in them for a law to explain, and no R2.",
        )
    least = float(data.s.min())
    if {"s", "eps"} <= {*law.inputs, *space.free_names} and least >= SMALLEST_SHARE:
        yield FitWarning(
            "narrow_ratios",
            f"The smallest share of {data.eval_set}'s side is {least:.3g}; the offset eps acts at small "
            f"shares and needs some below {SMALLEST_SHARE:g}, or a fixed value such as 0.1.",
            ("eps",),
        )


def _together(law: Law, data: FitData) -> Iterator[FitWarning]:
    if not {"N", "D"} <= set(law.inputs) or len(np.unique(data.N)) < 2 or len(np.unique(data.D)) < 2:
        return
    ratio = data.D / data.N
    together = float(np.corrcoef(np.log(data.N), np.log(data.D))[0, 1])
    if ratio.max() <= STEADY * ratio.min() or (len(np.unique(data.N)) > 2 and abs(together) > TOGETHER):
        yield FitWarning(
            "tokens_per_parameter",
            f"D follows N in this design (correlation of their logs {together:.3f}, {ratio.min():.3g} to "
            f"{ratio.max():.3g} tokens per parameter); the size term and the token term can hardly be told "
            "apart without sizes trained on several multiples of tokens.",
        )
