"""A budget at one size: the tokens it buys there, and the best run they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError, PlanError
from dcpt.core.quantity import format_quantity
from dcpt.plan.cost import FLOPS_PER_TOKEN_AND_PARAMETER
from dcpt.plan.supply.constraints import Problem
from dcpt.plan.supply.question import Question
from dcpt.plan.supply.region import REACH, Tokens
from dcpt.plan.supply.repetition import Supply
from dcpt.plan.supply.search import Optimum
from dcpt.plan.supply.solve_supply import optimum_of

Array = NDArray[np.float64]
QuestionAt = Callable[[float], Question]
FlopsPerToken = Callable[[float], float]

_INFEASIBLE = 1e3
"""Value of a size without a feasible run, before its excess: behind every loss."""


def six_per_parameter(N: float) -> float:
    """Training FLOPs per token of N parameters."""
    return FLOPS_PER_TOKEN_AND_PARAMETER * N


@dataclass(frozen=True, eq=False)
class Spending:
    """A budget, and everything else that a run has to fit into, for any size.

    Parameters
    ----------
    question_at : callable
        Question of a size: its laws, the losses they start from, its ceilings.
    flops : float
        Budget.
    r_range : tuple of float
        Domain shares to search.
    supply : Supply
        Pools.
    D : float, optional
        Tokens, where they are given.
    D_max : float, optional
        Most tokens, where they are free.
    flops_per_token : callable
        FLOPs per training token of a size.
    """

    question_at: QuestionAt
    flops: float
    r_range: tuple[float, float]
    supply: Supply
    D: float | None
    D_max: float | None
    flops_per_token: FlopsPerToken
    _asked: dict[float, Question] = field(default_factory=dict)

    def question(self, N: float) -> Question:
        """Question of a size, built once."""
        if N not in self._asked:
            self._asked[N] = self.question_at(N)
        return self._asked[N]

    def between(self, N: float) -> Question:
        """Question of a size between those asked for: interpolated through the nearest three in log N.

        Building one may take long (bases' losses are fitted anew for every size), and a search asks for many.
        """
        if N in self._asked or len(self._asked) < 3:
            return self.question(N)
        sizes = np.sort(np.array(list(self._asked)))
        if not sizes[0] < N < sizes[-1]:
            return self.question(N)
        middle = int(np.clip(np.abs(np.log(sizes / N)).argmin(), 1, len(sizes) - 2))
        near = [float(size) for size in sizes[middle - 1 : middle + 2]]
        x, at = np.log(near), np.log(N)
        weights = [
            float(np.prod([(at - x[j]) / (x[i] - x[j]) for j in range(3) if j != i])) for i in range(3)
        ]
        return Question.between(N, [self._asked[size] for size in near], weights)

    def question_of_any(self) -> Question:
        """Question of a size that was asked for before: what it asks is the same at every size."""
        return next(iter(self._asked.values()))

    def bought(self, N: float) -> float:
        """Tokens that the budget buys at a size."""
        per_token = self.flops_per_token(N)
        if not (per_token > 0 and np.isfinite(per_token)):
            raise ConfigError(
                f"allocation: {format_quantity(N)} parameters cost {per_token:g} FLOPs per token; wanted a "
                "positive number."
            )
        return self.flops / per_token

    def least(self, N: float) -> float:
        """Fewest tokens worth a prediction: given ones, or those fitted less the factor of doubt."""
        if self.D is not None:
            return self.D * (1 - 1e-9)
        return min(law.fit.ranges["D"][0] for law in self.question(N).laws) / REACH

    def affordable(self, sizes: Array) -> Array:
        """Those of the sizes that the budget can train at all.

        Raises
        ------
        PlanError
            When it is none.
        """
        kept = np.array([N for N in sizes if self.bought(N) >= self.least(N)])
        if len(kept):
            return kept
        N = float(sizes.min())
        wanted = "are given" if self.D is not None else "a prediction needs (a third of the fewest fitted)"
        raise PlanError(
            f"the budget of {self.flops:.3g} FLOPs is too small: it trains the smallest size, "
            f"{format_quantity(N)} parameters, on {format_quantity(self.bought(N))} tokens, fewer than the "
            f"{format_quantity(self.least(N))} that {wanted}.",
            hint=f"{self.least(N) * self.flops_per_token(N):.3g} FLOPs or more would do, or a smaller size",
        )

    def problem(self, N: float, exact: bool = True) -> Problem:
        """What is to be solved at a size; inexact, it may be interpolated from other sizes."""
        question = self.question(N) if exact else self.between(N)
        if self.D is not None:
            return Problem(question, self.supply, Tokens(D=self.D), self.r_range)
        return Problem(question, self.supply, Tokens(most=self.D_max, budget=self.bought(N)), self.r_range)

    def best(self, N: float, exact: bool = True) -> tuple[float, Optimum]:
        """Value of the best run at a size under the point fits, and the run."""
        found = optimum_of(self.problem(N, exact))
        if found.feasible[0]:
            return float(found.value[0]), found
        return _INFEASIBLE + float(found.excess[0]), found
