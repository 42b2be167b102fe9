"""Parameters that the fitted curves do not tell apart, whose draws are then too close together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dcpt.fit.curvature import RANK
from dcpt.fit.diagnose import CONDITION
from dcpt.fit.doubt import FitWarning
from dcpt.fit.loss_curves.problem import CurveProblem
from dcpt.fit.loss_curves.solve import CurveSolution

_PART = 0.1


def identified_doubts(problem: CurveProblem, solution: CurveSolution) -> Iterator[FitWarning]:
    """Name the parameters along the direction that the fitted losses hold least, where they hardly hold it.

    It is that of the smallest singular value of the Jacobian of the log residuals, its columns scaled to
    length 1. Refits of a resample start at the fit and stop where the objective no longer falls, so that they
    do not move along such a direction: parameters, and predictions away from the curves, are less certain
    than the draws say. Parameters that are fixed or on a bound do not count.
    """
    law, point = problem.law, solution.point
    params = problem.params(point)
    inner = [name for name in law.names if name not in problem.fixed and name not in solution.at_bound]
    if not inner:
        return
    root = np.sqrt(problem.huber_weights(point.residual)) / point.loss
    jacobian = law.jacobian(params, problem.features) * root[:, None]
    jacobian = jacobian[:, [law.names.index(name) for name in inner]]
    size = np.linalg.norm(jacobian, axis=0)
    idle = tuple(name for name, length in zip(inner, size, strict=True) if not length > 0)
    if idle:
        yield FitWarning(
            "not_told_apart", f"{', '.join(idle)}: without any effect on the fitted losses.", idle
        )
    moving = [name for name, length in zip(inner, size, strict=True) if length > 0]
    if len(moving) < 2:
        return
    scaled = jacobian[:, size > 0] / size[size > 0]
    # The factor R has the singular values of the tall table itself.
    _, singular, right = np.linalg.svd(np.linalg.qr(scaled, mode="r"))
    if len(singular) == len(moving) and singular[-1] * CONDITION >= singular[0]:
        return
    weakest = np.abs(right[-1])
    names = tuple(name for name, part in zip(moving, weakest, strict=True) if part > _PART * weakest.max())
    held = len(singular) == len(moving) and singular[-1] > RANK * singular[0]
    how, much = "do not", ""
    if held:
        ratio = singular[0] / singular[-1]
        how, much = "hardly", f" (some change of them moves losses {ratio:.0e} times less than others)"
    yield FitWarning(
        "not_told_apart",
        f"The fitted losses {how} tell {', '.join(names)} apart{much}: refits stay close to the fit along "
        "what the losses do not hold, and intervals from refits are too narrow for these parameters and for "
        "predictions unlike the fitted curves.",
        names,
    )
