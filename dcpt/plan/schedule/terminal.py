"""The loss at the end of a run as a function of its last rates, with the exact gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcpt.core.curve import RateHistory
from dcpt.core.errors import ConfigError
from dcpt.core.symbols import GENERAL
from dcpt.laws.curves.cpt_dynamics import DynamicsLaw
from dcpt.laws.curves.dynamics_terms import domain_pace, shift_share
from dcpt.laws.curves.kernel import LEAST_RATE, Falls, KernelLaw
from dcpt.plan.schedule.course import Course, FallsAtEnd, Gains
from dcpt.plan.schedule.forecast import FittedCurves
from dcpt.plan.schedule.setting import Setting

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Values = Mapping[str, float]
Terminal = Callable[[Array], tuple[float, Array]]
"""From the rates of the free blocks to the final loss and its derivatives by them."""

_STEP = 1e-6


def terminal_loss(
    fit: FittedCurves, setting: Setting, first: int, counts: ArrayLike | None = None
) -> Terminal:
    """The final loss of a run as a function of its last rates, those before `first` staying as they are.

    Parameters
    ----------
    fit : FittedCurves
        Fit of a law of falls of the rate, of one phase or of continual pre-training.
    setting : Setting
        The run; its own rates from `first` on do not matter.
    first : int
        First free step of the joined history, beyond all warm-ups.
    counts : array_like of int, shape (b,), optional
        Steps of the blocks of one rate each that the rest is divided into; one step each by default. A
        mixture that changes does so at the start of a block.

    Raises
    ------
    ConfigError
        When there is no gradient for the law, or the first free step is inside a warm-up.
    """
    history = setting.history()
    if first <= history.switch or history.rising[first - 1 :].any():
        raise ConfigError(f"final loss: step {first} is not beyond the warm-ups; wanted the first free step.")
    left = len(history) - first + 1
    blocks = np.ones(left, dtype=np.int64) if counts is None else np.asarray(counts, dtype=np.int64)
    if blocks.sum() != left or (blocks < 1).any():
        raise ConfigError(f"final loss: the blocks have {blocks.sum()} steps; wanted the {left} free ones.")
    law, given = fit.law, setting.given(fit.side)
    values = law.values(fit.params)
    if isinstance(law, DynamicsLaw):
        return _of_dynamics(law, values, history, given, fit.side, first, blocks)
    if isinstance(law, KernelLaw):
        law.part(history, np.array([len(history)]), given)  # says what the setting lacks
        return _of_kernel(law, values, history, first, blocks)
    raise ConfigError(
        f"final loss: law {law.name} has no gradient by the rates; wanted a law of falls of the rate.",
        hint="cpt-dynamics and the laws of one phase of this package have one",
    )


def _of_kernel(
    law: KernelLaw, values: Values, history: RateHistory, first: int, blocks: Integers
) -> Terminal:
    course = Course.of(law, history, first, blocks, True, len(blocks))
    psi = {name: values[name] for name in law.nonlinear_names}
    sizes = np.array([values[name] for name in law.linear_names[2:]])
    least, small = LEAST_RATE * history.peak, 1e-3 * history.peak
    alpha, A = values["alpha"], values["A"]

    def gains(seen: FallsAtEnd) -> Array:
        each = np.arange(len(seen.age))
        if not len(each):
            return np.zeros(0)
        part = Falls(
            area=seen.at,
            first=each,
            steps=seen.age,
            forward=seen.forward,
            mass=seen.high - seen.low,
            rate=np.maximum(seen.low, least),
            at=seen.at,
            source=each,
            high=seen.high,
            low=seen.low,
        )
        return np.asarray(law.gains(part, psi) @ sizes)

    def slope(seen: FallsAtEnd, name: str, step: Array) -> Array:
        x = getattr(seen, name)
        ahead, behind = x + step, np.maximum(x - step, 0.0)
        up, down = gains(replace(seen, **{name: ahead})), gains(replace(seen, **{name: behind}))
        return np.asarray((up - down) / (ahead - behind))

    ages = np.arange(1.0, 4.0)
    probe = FallsAtEnd(ages, ages, ages, 0.5 * ages, ages, np.zeros(3, dtype=np.int64))
    reads_at = bool((gains(probe) != gains(replace(probe, at=2.0 * ages))).any())

    def weigh(seen: FallsAtEnd) -> Gains:
        return Gains(
            gains(seen),
            slope(seen, "forward", _STEP * np.maximum(seen.forward, 1e-12)),
            slope(seen, "high", _STEP * np.maximum(seen.high, small)),
            slope(seen, "low", _STEP * np.maximum(seen.low, small)),
            slope(seen, "at", _STEP * seen.at) if reads_at else np.zeros(len(seen.at)),
        )

    def terminal(free: Array) -> tuple[float, Array]:
        gain, slopes = course.gained(free, weigh)
        area = course.area + float(course.counts @ free)
        loss = values["L0"] + A * area**-alpha - gain
        return loss, -alpha * A * area ** (-alpha - 1) * course.counts - slopes

    return terminal


def _of_dynamics(
    law: DynamicsLaw,
    values: Values,
    history: RateHistory,
    given: Values,
    side: str,
    first: int,
    blocks: Integers,
) -> Terminal:
    part = law.part(history, np.array([len(history)]), given, side=side)
    shares = [phase.share for phase in part.phases]
    # Blocks of the first mixture; all without a later one.
    turn = len(blocks)
    if len(shares) > 1:
        before_late = int(given["late"]) - first
        turn = int(np.searchsorted(np.cumsum(blocks), before_late, side="right"))
        if before_late < 0 or (turn and blocks[:turn].sum() != before_late) or (not turn and before_late):
            raise ConfigError("final loss: the later mixture has to begin at the start of a free block.")
    course = Course.of(law, history, first, blocks, law.two_phase, turn)
    sign = 1.0 if side == GENERAL else -1.0
    paces = [domain_pace(side, share, values) for share in shares]
    pace = np.where(np.arange(len(blocks)) < turn, paces[0], paces[-1])
    factors = [1.0 if law.factor is None else float(law.factor(side, share, values)) for share in shares]
    worth = [
        values["C2"] * np.exp(values["a1"] * share) if "a1" in values else values["C2"] for share in shares
    ]
    if "g2" in values:
        worth = [value * part.millions ** values["g2"] for value in worth]
    pre = values.get("C1", 0.0) * (part.millions ** values["g1"] if "g1" in values else 1.0)
    scales = np.array([pre, worth[0], worth[-1]])
    constant = values["L0"] + (values["F"] * part.millions ** -values["g3"] if "F" in values else 0.0)
    alpha, A, before = values["alpha"], values["A"], values.get("S0", 0.0)

    def weigh(seen: FallsAtEnd) -> Gains:
        kernel, scale = law.kernel, scales[seen.worth]
        size = kernel.size(seen.high, seen.low, values)
        gain = scale * kernel.weight(seen.age, seen.forward, values)
        slope = scale * size * kernel.slope(seen.age, seen.forward, values)
        by_high = gain * kernel.size_slope(seen.high, values)
        by_low = -gain * kernel.size_slope(seen.low, values)
        return Gains(size * gain, slope, by_high, by_low, np.zeros(len(size)))

    def shift(area: float) -> tuple[float, float]:
        slope = values["E"] * np.exp(-(values["beta"] + 1.0) * np.log1p(values["E"] * area))
        return float(shift_share(np.asarray(area), values)), float(slope)

    def terminal(free: Array) -> tuple[float, Array]:
        gain, slopes = course.gained(free, weigh)
        areas = course.counts * free
        middle = paces[0] * (course.area - course.switch_area + float(areas[:turn].sum()))
        end = middle + paces[-1] * float(areas[turn:].sum())
        area = course.area + float(areas.sum()) + before
        loss = constant + A * area**-alpha - gain
        by_area = np.full(len(free), -alpha * A * area ** (-alpha - 1))
        ahead, slope = shift(end)
        size = sign * values["K"]
        loss += size * factors[-1] * ahead
        by_area += size * factors[-1] * slope * pace
        if len(shares) > 1:
            ahead, slope = shift(middle)
            loss += size * (factors[0] - factors[1]) * ahead
            by_area[:turn] += size * (factors[0] - factors[1]) * slope * paces[0]
        return loss, by_area * course.counts - slopes

    return terminal
