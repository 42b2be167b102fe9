"""Sums over the learning rates of a run: the forward area S1 and the annealing area S2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError

if TYPE_CHECKING:
    from dcpt.core.curve import RateHistory

Array = NDArray[np.float64]

Policy = Literal["skip", "signed", "peak"]
Rewarm = Literal["signed", "skip"]

ANNEALING_MEMORY = 0.999
"""Memory per step of the annealing area S2: Tissue et al. 2024 (arXiv:2408.11029) and
Wang et al. 2025 (arXiv:2505.07796) both use 0.999."""

BINS = 256
"""Most sources of either sign that `compress` keeps."""

_BLOCK = 32


def forward_area(rates: Array) -> Array:
    """S1: running sum of the learning rates, shape as `rates`."""
    return np.cumsum(rates)


def annealing_area(rates: Array, memory: float = ANNEALING_MEMORY, warmup: int = 0) -> Array:
    """S2: running sum of the momentum of the rate's fall.

    The momentum is m_i = memory * m_{i-1} + (eta_{i-1} - eta_i) with m_0 = 0 and S2 its running
    sum (Tissue et al. 2024, arXiv:2408.11029). The rise of the first `warmup` steps is no fall and
    is left out.

    Parameters
    ----------
    rates : ndarray, shape (steps,)
        Learning rate of every step.
    memory : float
        Share of the momentum kept per step.
    warmup : int
        Steps of the warm-up, whose rise is not counted.

    Returns
    -------
    ndarray, shape (steps,)
    """
    drops = -np.diff(rates, prepend=rates[:1])
    drops[:warmup] = 0.0
    return momentum_area(drops, memory)


def momentum_area(drops: Array, memory: float = ANNEALING_MEMORY) -> Array:
    """S2 of any falls of the rate: the running sum of their momentum, shape (steps,).

    Examples
    --------
    >>> momentum_area(np.array([0.0, 1.0, 0.0]), 0.5)
    array([0. , 1. , 1.5])
    """
    return np.cumsum(annealing_momentum(drops, memory))


def annealing_momentum(drops: Array, memory: float = ANNEALING_MEMORY) -> Array:
    """m_i = memory * m_{i-1} + drops_i with m_0 = 0, shape (steps,).

    Raises
    ------
    ConfigError
        When the memory is not a share.
    """
    if not 0 <= memory <= 1:
        raise ConfigError(f"annealing area: memory is {memory:g}; wanted a share per step, 0 to 1.")
    return _recursion(np.asarray(drops, dtype=np.float64), memory)


def _recursion(falls: Array, memory: float) -> Array:
    """The recursion in blocks: inside a block a triangular matrix, from block to block the same again."""
    n = len(falls)
    blocks = -(-n // _BLOCK)
    if blocks <= 1:
        return _triangle(n, memory) @ falls
    padded = np.zeros(blocks * _BLOCK)
    padded[:n] = falls
    local = padded.reshape(blocks, _BLOCK) @ _triangle(_BLOCK, memory).T
    ends = _recursion(local[:, -1], memory**_BLOCK)
    local[1:] += ends[:-1, None] * memory ** np.arange(1.0, _BLOCK + 1)
    return np.asarray(local.ravel()[:n])


def _triangle(n: int, memory: float) -> Array:
    age = np.subtract.outer(np.arange(n), np.arange(n))
    return np.where(age >= 0, memory ** np.maximum(age, 0.0), 0.0)


def weighted_area(rates: Array, drops: Array, memory: float, power: float) -> Array:
    """S2 with each step's momentum weighted by its rate to a small power, shape (steps,).

    Steps at rate 0 then add nothing, while S2 itself keeps growing there (Wang et al. 2025,
    arXiv:2505.07796, Appendix J, with powers of 0.1 and 0.2).
    """
    return np.cumsum(annealing_momentum(drops, memory) * np.asarray(rates, dtype=np.float64) ** power)


def laid_rates(history: RateHistory, policy: Policy) -> Array:
    """The rates a law sums: with the policy ``peak`` the warm-up in front counts at its peak, shape (T,)."""
    _check(policy)
    if policy != "peak":
        return history.rates
    front = history.front
    if front >= len(history.rates):
        return history.rates
    rates = history.rates.copy()
    rates[:front] = rates[front]
    return rates


def rate_drops(history: RateHistory, policy: Policy = "skip", rewarm: Rewarm = "signed") -> Array:
    """Fall of the rate into every step, eta_{k-1} - eta_k; a rise is negative. Shape (T,).

    Parameters
    ----------
    history : RateHistory
        The rates, and which steps belong to a warm-up.
    policy : {"skip", "signed", "peak"}
        The warm-up in front: left out, counted as negative falls from a rate of 0, or taken as if it had
        run at the peak (the same falls as ``skip``, but see `laid_rates`).
    rewarm : {"signed", "skip"}
        Steps of a later warm-up, as continual pre-training has: negative falls, or left out.

    Notes
    -----
    The choice for the warm-up moves the fitted L0 by about B times the peak rate: parameters of one policy
    predict nothing under another. Wang et al. 2025 (arXiv:2505.07796) count the re-warm-up.
    """
    _check(policy)
    if rewarm not in get_args(Rewarm):
        raise ConfigError(f"rate drops: rewarm is {rewarm!r}; wanted one of {', '.join(get_args(Rewarm))}.")
    rates, front = history.rates, history.front
    drops = -np.diff(rates, prepend=0.0)
    if policy != "signed":
        drops[:front] = 0.0
    if front == 0:
        drops[:1] = 0.0
    elif policy != "signed" and front < len(rates):
        # The step to the peak itself ends the rise.
        drops[front] = max(drops[front], 0.0)
    if rewarm == "skip":
        later = history.rising.copy()
        later[:front] = False
        drops[later] = 0.0
    return drops


def _check(policy: str) -> None:
    if policy not in get_args(Policy):
        raise ConfigError(f"warm-up policy is {policy!r}; wanted one of {', '.join(get_args(Policy))}.")


@dataclass(frozen=True, eq=False)
class Sources:
    """Falls of the rate, thinned to few: where each happened and how large it was.

    Attributes
    ----------
    step : ndarray, shape (m,)
        Step the rate fell into; a mean where several falls were put together.
    area : ndarray, shape (m,)
        S1 before that step.
    rate : ndarray, shape (m,)
        Learning rate at that step.
    mass : ndarray, shape (m,)
        Size of the fall; negative for a rise.
    high, low : ndarray, shape (m,)
        Rate before the first of the falls put together, and after the last.
    """

    step: Array
    area: Array
    rate: Array
    mass: Array
    high: Array
    low: Array


def compress(
    drops: Array,
    rates: Array,
    S1: Array,
    bins: int = BINS,
    marks: NDArray[np.int64] | None = None,
) -> Sources:
    """Put neighbouring falls together, at most `bins` of either sign.

    Falls are grouped into bins of equal mass, each at its centre of mass. Nothing is lost while there are no
    more falls than bins, as in schedules that step down.

    Parameters
    ----------
    drops, rates, S1 : ndarray, shape (T,)
        Falls into every step, its rate, and the forward area after it.
    bins : int
        Most bins per sign.
    marks : ndarray of int, optional
        Steps (from 1) at which losses are wanted: no bin reaches across one while there are enough bins.
    """
    parts = []
    for falling in (drops > 0, drops < 0):
        index = np.flatnonzero(falling)
        if not len(index):
            continue
        # One run of falls, as most schedules have, is a slice and not a copy.
        run = len(index) == index[-1] - index[0] + 1
        chosen: slice | NDArray[np.int64] = slice(index[0], index[-1] + 1) if run else index
        mass: Array = drops[chosen]
        rate: Array = rates[chosen]
        step: Array = index + np.float64(1.0)
        before = S1[chosen] - rate
        if len(index) <= bins:
            parts.append((step, before, rate, mass, rate + mass, rate))
            continue
        begin = _begins(step, mass, bins, marks)
        total = np.add.reduceat(mass, begin)
        means = [np.add.reduceat(mass * values, begin) / total for values in (step, before, rate)]
        end = np.append(begin[1:], len(index)) - 1
        parts.append((*means, total, rate[begin] + mass[begin], rate[end]))
    if not parts:
        return Sources(*(np.zeros(0) for _ in range(6)))
    return Sources(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _begins(step: Array, mass: Array, bins: int, marks: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Where the bins begin: at most `bins` of them, ascending from 0."""
    spans = np.zeros(1, dtype=np.int64)
    if marks is not None and len(marks):
        # A fall into step t counts at t already, so a bin ends with the step of a mark.
        spans = np.union1d(spans, np.searchsorted(step, marks, side="right"))
        spans = spans[spans < len(step)]
        spans = spans[:: -(-len(spans) // bins)]
    running = np.cumsum(mass)
    shares = np.arange(1, bins - len(spans) + 1) / (bins - len(spans) + 1) * running[-1]
    order = running if running[-1] > 0 else -running
    return np.union1d(spans, np.searchsorted(order, np.abs(shares), side="left"))
