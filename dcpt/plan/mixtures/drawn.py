"""The answer in each joint draw of the predictor: how far the best mixture is known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dcpt.plan.mixtures.interpolate import Interpolant, follow_down
from dcpt.plan.mixtures.pool import around
from dcpt.plan.mixtures.problem import KEPT, Problem

Array = NDArray[np.float64]

CANDIDATES = 400
"""Mixtures at which every draw is looked at; those that could not win in any draw are left out."""

ROUNDS, KNOWN = 4, 700
"""Rounds of descents, and the most mixtures that the draws are interpolated through."""

REACH = 3.5
"""Standard deviations below its mean that the goal of a mixture is taken to reach in some draw."""


@dataclass(frozen=True)
class Drawn:
    """Answers of draws.

    Attributes
    ----------
    shares : ndarray, shape (d, p)
        The best mixture of each draw among those looked at; where none keeps the ceilings, the one that
        breaks them least.
    value : ndarray, shape (d,)
        The goal there, in that draw.
    feasible : ndarray of bool, shape (d,)
        Whether a mixture keeps the ceilings in that draw.
    pool : ndarray, shape (q, p)
        All mixtures looked at; the first one is the answer.
    goal : ndarray, shape (d, q)
        The goal in every draw, at every mixture.
    excess : ndarray, shape (d, q)
        Greatest relative excess over the ceilings.
    """

    shares: Array
    value: Array
    feasible: NDArray[np.bool_]
    pool: Array
    goal: Array
    excess: Array

    def with_answer(self, asked: DrawnProblem, answer: Array) -> Drawn:
        """The same draws with another answer in the first place."""
        goal, excess = asked.look(answer[None])
        return replace(
            self,
            pool=np.vstack([answer[None], self.pool]),
            goal=np.hstack([goal, self.goal]),
            excess=np.hstack([excess, self.excess]),
        )

    @property
    def regret(self) -> Array:
        """What the answer loses in each draw against the draw's own best, shape (d,)."""
        return np.asarray(np.maximum(self.goal[:, 0] - self.value, 0.0))


@dataclass(frozen=True)
class DrawnProblem:
    """A problem in each of several joint draws.

    Attributes
    ----------
    problem : Problem
        What is asked.
    count, seed : int
        Draws.
    ceilings : ndarray, shape (count, m)
        Ceilings of each draw.
    """

    problem: Problem
    count: int
    seed: int
    ceilings: Array

    @classmethod
    def of(
        cls,
        problem: Problem,
        count: int,
        seed: int,
        reference: Array | None = None,
        relative: Array | None = None,
    ) -> DrawnProblem:
        """Draw a problem.

        Parameters
        ----------
        reference : ndarray, shape (p,), optional
            Mixture that relative ceilings are measured from, in each draw anew.
        relative : ndarray, shape (m,), optional
            Factor over the reference's loss that each ceiling stands for; nan for absolute ones.
        """
        ceilings = np.broadcast_to(problem.ceilings, (count, len(problem.columns)))
        if reference is not None and relative is not None and np.isfinite(relative).any():
            there = problem.surface.draws(reference[None], count, seed)[:, 0, list(problem.columns)]
            ceilings = np.where(np.isfinite(relative), there * relative, ceilings)
        return cls(problem, count, seed, np.asarray(ceilings))

    def look(self, at: Array) -> tuple[Array, Array]:
        """Goal and greatest relative excess in every draw at mixtures (q, p), each of shape (count, q)."""
        problem = self.problem
        losses = problem.surface.draws(at, self.count, self.seed)
        if not problem.columns:
            return problem.goal.value(losses), np.full(losses.shape[:2], -1.0)
        over = losses[:, :, list(problem.columns)] / self.ceilings[:, None, :] - 1
        return problem.goal.value(losses), over.max(axis=2)


def draw_answers(asked: DrawnProblem, answer: Array, pool: Array) -> Drawn:
    """Answer a problem in each of its draws.

    Draws have no slopes, but each is one function of the mixture whichever mixtures it is asked at. All are
    looked at over a pool, interpolated, followed downhill from each draw's best mixture, looked at where
    that leads, and so on.

    Parameters
    ----------
    asked : DrawnProblem
        What is asked.
    answer : ndarray, shape (p,)
        The answer of the means; the first of the mixtures looked at.
    pool : ndarray, shape (q, p)
        Mixtures of the region.
    """
    problem, look = asked.problem, asked.look
    seen = np.vstack([answer[None], _may_win(problem, answer, pool)])
    goal, excess = look(seen)
    rows = np.arange(asked.count)
    for number in range(ROUNDS):
        best = _winners(problem, goal, excess)
        known = _worth_knowing(problem, goal, excess, best)
        over = Interpolant.through(seen[known], excess[:, known].T) if problem.columns else None
        surrogate = Interpolant.through(seen[known], goal[:, known].T)
        down = follow_down(surrogate, over, problem.scale * 30, seen[best], rows)
        near = around(problem.region, down, 1, asked.seed + number)
        tried = np.vstack([problem.region.pull(down), near])
        more = look(tried)
        seen = np.vstack([seen, tried])
        goal, excess = np.hstack([goal, more[0]]), np.hstack([excess, more[1]])
    best = _winners(problem, goal, excess)
    return Drawn(seen[best], goal[rows, best], excess[rows, best] <= KEPT, seen, goal, excess)


def _winners(problem: Problem, goal: Array, excess: Array) -> NDArray[np.int64]:
    merit = np.where(excess <= KEPT, goal, goal + 1e6 * problem.scale * (1 + excess))
    return np.asarray(np.argmin(merit, axis=1), dtype=np.int64)


def _worth_knowing(
    problem: Problem, goal: Array, excess: Array, best: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Mixtures that come nearest to the best of some draw, at most `KNOWN`; the answer is one of them."""
    merit = goal + problem.scale * 10 * np.maximum(excess, 0.0)
    behind = (merit - merit[np.arange(len(merit)), best][:, None]).min(axis=0)
    behind[0] = -np.inf
    return np.sort(np.argsort(behind, kind="stable")[:KNOWN])


def _may_win(problem: Problem, answer: Array, pool: Array) -> Array:
    """Mixtures of the pool, and around the answer, whose goal can come below the answer's in some draw."""
    every = np.vstack([around(problem.region, answer[None], CANDIDATES // 2, 1), pool])
    losses = problem.surface.losses(every)
    sd = problem.surface.sd(every)
    low = problem.goal.value(losses) - REACH * problem.goal.spread(losses, sd)
    if problem.columns:
        columns = list(problem.columns)
        low_excess = ((losses - REACH * sd)[:, columns] / problem.ceilings - 1).max(axis=1)
        low = low + problem.scale * 1e3 * np.maximum(low_excess, 0.0)
    return np.asarray(every[np.argsort(low, kind="stable")[:CANDIDATES]])
