"""The solver against problems whose answers are known otherwise."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from dcpt.core.errors import PlanError
from dcpt.plan.mixtures.goal import goal_weights, make_goal
from dcpt.plan.mixtures.make_region import make_region, resolved
from dcpt.plan.mixtures.pool import make_pool
from dcpt.plan.mixtures.prices import price_constraints
from dcpt.plan.mixtures.problem import Problem
from dcpt.plan.mixtures.question import MixtureQuestion
from dcpt.plan.mixtures.solve import solve
from dcpt.plan.mixtures.surface import Surface

NAMES = tuple("abcdefgh")


def problem_of(law: Any, fields: dict[str, Any], ceilings: dict[str, float]) -> tuple[Problem, Any]:
    question = resolved(MixtureQuestion.of(fields), law.corpora, law.targets)
    region = make_region(question, law.corpora)
    weights, worst = goal_weights(question.minimise, law.targets)
    surface = Surface.of(law, law.targets)
    runs = np.random.default_rng(0).dirichlet(np.ones(len(law.corpora)), 40)
    base = surface.losses(runs.mean(axis=0)[None])[0]
    goal = make_goal(question.minimise, weights, law.targets, base if worst else None)
    pool = make_pool(region, runs, 0)
    columns = tuple(law.targets.index(name) for name in ceilings)
    scale = float(goal.value(surface.losses(pool)).std())
    return Problem(surface, region, goal, columns, np.array(list(ceilings.values())), scale), pool


@pytest.mark.parametrize("seed", range(3))
def test_convex_problems_as_cvxpy_solves_them(mixture_world: ModuleType, seed: int) -> None:
    """Exponential laws are convex: bounds, a group, a pin and a ceiling, against an interior-point solver."""
    cvxpy = pytest.importorskip("cvxpy")
    law = mixture_world.exponential(seed, NAMES, ("x", "y"))
    rules = ["a <= 0.3", "0.1 <= b + c <= 0.4", "d = 0.05", "e >= 0.02"]
    ends = [solve(*problem_of(law, {"minimise": name, "shares": rules}, {})).losses[1] for name in "xy"]
    ceiling = float(np.mean(ends))  # between the least y and the y at the least x: it binds
    problem, pool = problem_of(law, {"minimise": "x", "shares": rules}, {"y": ceiling})
    best = solve(problem, pool)

    r = cvxpy.Variable(8, nonneg=True)
    losses = [law.level[k] + cvxpy.exp(law.exponents[k] @ r) for k in range(2)]
    keep = [
        cvxpy.sum(r) == 1,
        r[0] <= 0.3,
        r[1] + r[2] >= 0.1,
        r[1] + r[2] <= 0.4,
        r[3] == 0.05,
        r[4] >= 0.02,
    ]
    ceiling_kept = losses[1] <= ceiling
    exact = cvxpy.Problem(cvxpy.Minimize(losses[0]), [*keep, ceiling_kept])
    exact.solve(solver=cvxpy.CLARABEL)
    assert best.value == pytest.approx(exact.value, abs=2e-5)
    assert problem.region.contains(best.shares[None])[0]
    assert best.losses[1] <= ceiling * (1 + 1e-5)
    multiplier = float(ceiling_kept.dual_value)
    priced = {item.kind: item for item in price_constraints(problem, best, ("y",))}
    assert multiplier > 1e-3
    assert priced["limit"].multiplier == pytest.approx(multiplier, rel=0.02)


def test_the_worst_target_as_cvxpy_solves_it(mixture_world: ModuleType) -> None:
    """The greatest of several relative losses, a minimax problem with a kink at its optimum."""
    cvxpy = pytest.importorskip("cvxpy")
    law = mixture_world.exponential(5, NAMES, ("x", "y", "z"))
    problem, pool = problem_of(law, {"minimise": "worst"}, {})
    best = solve(problem, pool)
    r = cvxpy.Variable(8, nonneg=True)
    scaled = [problem.goal.factor[k] * (law.level[k] + cvxpy.exp(law.exponents[k] @ r)) for k in range(3)]
    exact = cvxpy.Problem(cvxpy.Minimize(cvxpy.maximum(*scaled) - 1), [cvxpy.sum(r) == 1])
    exact.solve(solver=cvxpy.CLARABEL)
    assert best.value == pytest.approx(exact.value, abs=2e-5)


def test_a_multiplier_is_the_slope_of_the_best_goal(mixture_world: ModuleType) -> None:
    """Envelope theorem: relaxing a group by one point changes the best goal by minus its multiplier."""
    law = mixture_world.exponential(7, NAMES, ("x", "y"))
    free, pool = problem_of(law, {"minimise": "x"}, {})
    most = NAMES[int(np.argmax(solve(free, pool).shares))]
    problem, pool = problem_of(law, {"minimise": "x", "shares": [f"{most} <= 0.2"]}, {})
    best = solve(problem, pool)
    (price,) = price_constraints(problem, best, ())
    assert price.multiplier is not None
    assert price.change == pytest.approx(-0.01 * price.multiplier, rel=0.05)
    easier, pool = problem_of(law, {"minimise": "x", "shares": [f"{most} <= 0.21"]}, {})
    assert solve(easier, pool).value - best.value == pytest.approx(price.change, abs=1e-5)


def test_limits_that_cannot_be_kept_name_the_nearest(mixture_world: ModuleType) -> None:
    law = mixture_world.exponential(1, NAMES, ("x", "y"))
    lowest = law.level[0] + np.exp(law.exponents[0].min())
    problem, pool = problem_of(law, {"minimise": "y"}, {"x": 0.99 * lowest})
    with pytest.raises(PlanError, match=f"x <= {np.ceil(lowest * 1e4) / 1e4:.4f}"):
        solve(problem, pool)
    problem, pool = problem_of(law, {"minimise": "y"}, {"x": 1.0001 * lowest})
    assert solve(problem, pool).losses[0] <= 1.00011 * lowest


def test_trees_are_searched_without_slopes(mixture_world: ModuleType) -> None:
    """A step function of the shares: the solver ends on the lowest step."""

    class Steps(mixture_world.Bowls):  # type: ignore[name-defined,misc]
        def mean(self, shares: Any) -> Any:
            return np.floor(20 * super().mean(shares)) / 20

        def gradient(self, shares: Any) -> None:
            return None

    centre = np.array([[0.6, 0.3, 0.1, 0.0]])
    steps = Steps(("a", "b", "c", "d"), ("x",), centre)
    problem, pool = problem_of(steps, {"minimise": "x", "shares": ["a <= 0.5"]}, {})
    best = solve(problem, pool)
    assert best.value == pytest.approx(2.0)
    assert best.shares[0] <= 0.5
