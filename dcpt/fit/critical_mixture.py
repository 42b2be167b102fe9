"""From runs at several domain ratios to critical times, the feasible ratios and the critical one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError, DataError, FitError
from dcpt.core.loss_table import LossTable
from dcpt.core.quantity import format_quantity
from dcpt.core.symbols import DOMAIN, GENERAL
from dcpt.fit.critical_law import CriticalRatioLaw, fit_critical_ratio
from dcpt.fit.dataset import FitData, Units, prepare, unit_near
from dcpt.fit.holdout import point_fit
from dcpt.fit.space import free_space
from dcpt.laws.critical_ratio import (
    EPSILON,
    TOKENS_PER_T,
    Change,
    RatioChanges,
    critical_mixture_ratio,
    critical_time,
    feasible_ratios,
)
from dcpt.laws.law import HUBER_DELTA
from dcpt.laws.registry import get_law

Array = NDArray[np.float64]

LAWS = {DOMAIN: "cmr-domain-tokens", GENERAL: "cmr-general-tokens"}
"""The law of the change of each side's loss with tokens, at one size and one ratio."""


@dataclass(frozen=True, eq=False)
class CriticalMixture:
    """What runs of one size at several ratios say of the critical mixture ratio.

    Attributes
    ----------
    N : float
        Size, parameters.
    T_max : float
        Length of training, tokens.
    lam, eps : float
        Weight of the general loss; rise of it that is tolerated, nats per token.
    changes : tuple of RatioChanges
        The fitted changes, T in `unit` tokens, by ascending ratio.
    unit : float
        Tokens in one unit of their T.
    least : float
        Least tokens measured. Critical times are searched from there on: below, fitted powers that fit a
        little noise may turn anywhere.
    times : mapping of float to float
        Ratio to its critical time in tokens: 0 when the weighted loss falls from `least` on, infinite when
        it never does. One beyond the tokens measured is an extrapolation.
    feasible : tuple of float
        Measured ratios that are feasible at T_max, ascending.
    ratio : float or None
        The critical mixture ratio at T_max; None when no ratio is feasible.
    misses : mapping of float to float
        Ratio to the largest distance of a measured loss of either side from its fit, nats per token.
    """

    N: float
    T_max: float
    lam: float
    eps: float
    changes: tuple[RatioChanges, ...]
    unit: float
    least: float
    times: Mapping[float, float]
    feasible: tuple[float, ...]
    ratio: float | None
    misses: Mapping[float, float]

    def ratio_at(self, T_max: float) -> float | None:
        """The critical mixture ratio for another length of training, in tokens; None when there is none."""
        T = _length(T_max) / self.unit
        return critical_mixture_ratio(self.changes, T, eps=self.eps, lam=self.lam, low=self.least / self.unit)

    def law(self, unit: float = TOKENS_PER_T) -> CriticalRatioLaw:
        """The law of the ratio in tokens, fitted to the critical times: R is critical when T0 = T_max.

        It sees the turn of the weighted loss only; where the tolerated rise is what limits, `ratio` is
        lower.

        Raises
        ------
        FitError
            When fewer than three ratios have a critical time.
        """
        pairs = [(T, r) for r, T in self.times.items() if 0 < T < np.inf]
        return fit_critical_ratio([T for T, _ in pairs], [r for _, r in pairs], unit=unit)


def fit_critical_mixture(
    table: LossTable,
    N: float,
    *,
    T_max: float,
    lam: float,
    eps: float = EPSILON,
    general: str = GENERAL,
    domain: str = DOMAIN,
    metric: str = "loss",
    delta: float = HUBER_DELTA,
) -> CriticalMixture:
    """Fit how both losses change with tokens at each ratio, and find the critical mixture ratio.

    Parameters
    ----------
    table : LossTable
        At size N: the base (D = 0) on both sets, and at each ratio five numbers of tokens or more.
    N : float
        Size, parameters.
    T_max : float
        Length of training, tokens.
    lam : float
        Weight of the general loss. The paper does not say which it used, so there is no default.
    eps : float
        Rise of the general loss that is tolerated, nats per token.
    general, domain : str
        Evaluation sets of the two sides.
    metric, delta
        As in `dcpt.fit.fit_law`.

    Returns
    -------
    CriticalMixture
        From point fits, without intervals.

    Raises
    ------
    ConfigError
        When the table has no such size, set or metric, lacks its base, or a number is out of range.
    DataError
        When fewer than two ratios were measured on both sides.
    FitError
        When a ratio has too few numbers of tokens.

    References
    ----------
    Gu et al. 2024, arXiv:2407.17467, Eq. 7 and the laws before it.
    """
    _length(T_max)
    if not (np.isfinite(eps) and eps >= 0):
        raise ConfigError(f"critical mixture: eps = {eps:g}; wanted a rise in nats, 0 or more.")
    sizes = table.frame["N"].to_numpy(float)
    at_size = np.isclose(sizes, N, rtol=1e-6, atol=0.0)
    if not at_size.any():
        known = ", ".join(format_quantity(float(size)) for size in np.unique(sizes))
        raise ConfigError(f"critical mixture: size {format_quantity(N)} is not in the table; it has {known}.")
    own = LossTable(table.frame[at_size].reset_index(drop=True))
    data = {DOMAIN: _side(own, domain, DOMAIN, metric), GENERAL: _side(own, general, GENERAL, metric)}
    ratios = sorted(set.intersection(*(set(np.round(side.r, 9)) for side in data.values())) - {0.0})
    if len(ratios) < 2:
        raise DataError(
            f"critical mixture: size {format_quantity(N)} has {len(ratios)} ratios with losses of both "
            f"{general} and {domain}; wanted two or more.",
            hint="measure several ratios, each at several numbers of tokens",
        )
    unit = unit_near(data[GENERAL].D)
    least = float(min(side.D.min() for side in data.values()))
    low = least / unit
    changes, misses = [], {}
    for r in map(float, ratios):
        found = {side: _change(rows, side, r, unit, delta) for side, rows in data.items()}
        changes.append(RatioChanges(r, found[DOMAIN][0], found[GENERAL][0]))
        misses[r] = max(miss for _, miss in found.values())
    return CriticalMixture(
        N=N,
        T_max=T_max,
        lam=lam,
        eps=eps,
        changes=tuple(changes),
        unit=unit,
        least=least,
        times={item.r: unit * critical_time(item.domain, item.general, lam, low=low) for item in changes},
        feasible=feasible_ratios(changes, T_max / unit, eps=eps, lam=lam, low=low),
        ratio=critical_mixture_ratio(changes, T_max / unit, eps=eps, lam=lam, low=low),
        misses=misses,
    )


def _length(T_max: float) -> float:
    if not (T_max > 0 and np.isfinite(T_max)):
        raise ConfigError(f"critical mixture: T_max = {T_max:g}; wanted a positive number of tokens.")
    return T_max


def _side(table: LossTable, eval_set: str, side: str, metric: str) -> FitData:
    data, _ = prepare(table, eval_set, metric=metric, corners=True, law=get_law(LAWS[side]))
    if data.role != side:
        raise ConfigError(
            f"critical mixture: {eval_set!r} is a {data.role} set; wanted one of the {side} side."
        )
    return data.take(np.isfinite(data.r))


def _change(data: FitData, side: str, r: float, unit: float, delta: float) -> tuple[Change, float]:
    """The fitted change at one ratio, and the largest distance of a loss from it."""
    law = get_law(LAWS[side])
    rows = replace(data.take(np.isclose(data.r, r, rtol=0.0, atol=1e-9)), units=Units(data.units.N, unit))
    lengths = len(np.unique(rows.D))
    if lengths < len(law.names):
        raise FitError(
            f"critical mixture: {rows.eval_set} at r = {r:g} has {lengths} numbers of tokens; law {law.name} "
            f"wants {len(law.names)} or more.",
            hint="measure more points of each run: checkpoints whose learning rate has come down",
        )
    _, solution = point_fit(law, rows, free_space(law), delta)
    values = dict(zip(law.names, map(float, solution.theta), strict=True))
    terms = [(values["a"], values["k"])]
    if "c" in values:
        terms.append((values["c"], values["k"] + values["d"]))
    miss = float(np.abs(law.evaluate(solution.theta, rows.inputs) - rows.loss).max())
    return Change(tuple(terms), values["b"]), miss
