"""From how much pre-training on the general loss never comes back from continual pre-training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from dcpt.core.errors import ConfigError
from dcpt.core.schedule import Schedule
from dcpt.core.symbols import GENERAL
from dcpt.laws.curves.cpt_dynamics import DynamicsLaw
from dcpt.plan.schedule.forecast import FittedCurves
from dcpt.plan.schedule.setting import Setting

Values = Mapping[str, float]

POINTS = 48
"""Lengths of pre-training the crossing is looked for among."""

_NO_LOG = 2e-6
_SCALES = ("constant", "cosine", "linear", "wsd")


@dataclass(frozen=True)
class CriticalPoint:
    """The amount of pre-training from which on the general loss never comes back.

    Attributes
    ----------
    value : float
        Forward area, or steps, of pre-training; infinite when the loss always can come back, 0 when never.
    lo, hi : float or None
        Its quantiles over the draws; None without draws.
    """

    value: float
    lo: float | None
    hi: float | None


def critical_area(fit: FittedCurves, s: float | None = None, level: float = 0.9) -> CriticalPoint:
    """Forward area of pre-training at which the gain still ahead equals the shift to come.

    At constant rates the general loss begins at L0 + A S1pt^-alpha and ends at L0 + B, so that it comes back
    if and only if A S1pt^-alpha > B. With beta = 0 the shift has no end and it never does.

    Parameters
    ----------
    fit : FittedCurves
        Fit of a law of continual pre-training dynamics to the general loss.
    s : float, optional
        General share of the tokens, for laws with a replay factor.
    level : float
        Probability of the interval.

    Raises
    ------
    ConfigError
        When the fit is no such fit, or its law reads a share and none is given.

    References
    ----------
    Wang et al. 2025, arXiv:2505.07796, Section 4; the condition follows from Eq. 4.
    """
    law = _dynamics(fit)
    if law.factor is not None and s is None:
        raise ConfigError(f"critical point: law {law.name} reads the general share s; wanted it given.")

    def area(values: Values) -> float:
        factor = 1.0 if law.factor is None else float(law.factor(GENERAL, float(s or 0.0), values))
        size = values["K"] * factor
        if size <= 0:
            return np.inf
        # In logarithms: a small exponent takes a ratio to a power beyond any float.
        ratio = np.log(max(values["A"] * values["beta"], 1e-300)) - np.log(size)
        return 0.0 if values["beta"] == 0 else float(np.exp(min(ratio / values["alpha"], 700.0)))

    return _point(fit, area, level)


def critical_steps(
    fit: FittedCurves, setting: Setting, longest: int, shortest: int | None = None, level: float = 0.9
) -> CriticalPoint:
    """Steps of pre-training from which on endless continual pre-training never comes back, for any schedule.

    The setting's pre-training is shortened or stretched, its decay staying as it is; continual pre-training
    goes on at its peak for ever after the re-warm-up. The general form of `critical_area`, with everything
    that was annealed and re-warmed.

    Parameters
    ----------
    fit : FittedCurves
        Fit of a law of continual pre-training dynamics, with pre-training known, to the general loss.
    setting : Setting
        The run; its `pre` is a schedule.
    longest, shortest : int
        Steps of pre-training to look between; the shortest is that of its warm-up and decay by default.
    level : float
        Probability of the interval.

    Raises
    ------
    ConfigError
        When the fit is no such fit, or pre-training follows no schedule that scales.
    """
    law = _dynamics(fit)
    pre, cpt = setting.pre, setting.schedule
    if not isinstance(pre, Schedule) or pre.kind not in _SCALES:
        raise ConfigError(f"critical point: wanted a pre-training that is {', '.join(_SCALES)}.")
    least = shortest or max(pre.warmup + pre.decay, 1)
    if not least < longest:
        raise ConfigError(f"critical point: longest is {longest}; wanted more than {least} steps.")
    lengths = np.unique(np.geomspace(least, longest, POINTS).round().astype(np.int64))
    flat = replace(cpt, kind="constant", decay=0, floor=0.0, shape="1-sqrt", steps=cpt.warmup + 1)
    runs = [replace(setting, cpt=flat).with_pre(replace(pre, steps=int(length))) for length in lengths]
    parts = [law.part(run.history(), np.array([run.switch]), run.given(GENERAL)) for run in runs]
    ends = [law.part(run.history(), np.array([len(run.history())]), run.given(GENERAL)) for run in runs]

    def steps(given: Values) -> float:
        # At 0 these exponents stand for logarithms, which have no end to be evaluated at.
        values = {
            name: max(value, _NO_LOG) if name in ("beta", "b") else value for name, value in given.items()
        }
        sizes = np.array([values[name] for name in law.linear_names])
        start = np.array([float(law.columns(part, values)[1][0] @ sizes) for part in parts])
        limit = np.array([float(law.columns(end.endless(), values)[1][0] @ sizes) for end in ends])
        ahead = start - limit
        if ahead[-1] > 0:
            return np.inf
        crossed = int(np.flatnonzero(ahead <= 0)[0])
        if crossed == 0:
            return 0.0
        part = ahead[crossed - 1] / (ahead[crossed - 1] - ahead[crossed])
        if not np.isfinite(part):
            return float(lengths[crossed])
        return float(np.exp(np.log(lengths[crossed - 1]) * (1 - part) + np.log(lengths[crossed]) * part))

    return _point(fit, steps, level)


def _dynamics(fit: FittedCurves) -> DynamicsLaw:
    if not isinstance(fit.law, DynamicsLaw) or fit.side != GENERAL:
        raise ConfigError(
            f"critical point: got a fit of {fit.law.name} to the {fit.side} loss; wanted cpt-dynamics and "
            "the general loss."
        )
    return fit.law


def _point(fit: FittedCurves, of: Callable[[Values], float], level: float) -> CriticalPoint:
    value = of(fit.params)
    if fit.draws is None or not len(fit.draws):
        return CriticalPoint(value, None, None)
    found = np.sort([of(fit.law.values(row)) for row in fit.draws])
    tail = 0.5 * (1 - level)
    # Some may be infinite, between which nothing can be interpolated.
    low, high = (found[round(share * (len(found) - 1))] for share in (tail, 1 - tail))
    return CriticalPoint(value, float(low), float(high))
