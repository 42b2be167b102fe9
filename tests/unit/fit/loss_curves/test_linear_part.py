"""The linear parameters at given nonlinear ones are the best inside their bounds, whatever the weights."""

import numpy as np
import pytest
from scipy.optimize import lsq_linear, minimize

from dcpt.core.curve import Curve, RateHistory
from dcpt.core.schedule import Schedule
from dcpt.fit.loss_curves.fit import curve_problem
from dcpt.fit.loss_curves.linear_part import Box, matrix_root
from dcpt.laws.curves import get_curve_law

TRUTH = {"L0": 2.5, "A": 0.4, "alpha": 0.5, "K": 0.05, "C": 200.0, "beta": 0.3, "p": 0.8}


def problem_of(name="rate-power", noise=4e-3):
    law, draw = get_curve_law(name), np.random.default_rng(5)
    made = []
    for schedule in (Schedule("wsd", 1e-3, 600, 30, 200), Schedule("cosine", 1e-3, 500, 30, floor=0.1)):
        past = RateHistory(schedule.rates(), 0, schedule.rising)
        steps = np.arange(40, len(past) + 1, 8)
        loss = get_curve_law("rate-power").evaluate(
            TRUTH, [Curve("truth", past, steps, np.ones(len(steps)), {})]
        )
        # Heavy tails: most residuals lie beyond the Huber threshold.
        loss = loss * np.exp(noise * draw.standard_t(3, len(steps)))
        made.append(Curve(str(schedule), past, steps, loss, {}))
    return curve_problem(law, made)


@pytest.mark.parametrize("seed", range(6))
def test_bounded_least_squares_is_scipys(seed):
    draw = np.random.default_rng(seed)
    common = draw.normal(size=(60, 1))
    table = common + 1e-3 * draw.normal(size=(60, 4))  # nearly collinear
    right = table @ np.array([1.0, -2.0, 0.5, 3.0]) + 1e-3 * draw.normal(size=60)
    box = Box(np.array([0.0, -5.0, -9.0, 0.0]), np.array([9.0, 0.0, 9.0, 9.0]), np.array([1, -1, 0, 1]))
    wanted = lsq_linear(table, right, (box.least, box.most), method="bvls", tol=1e-14)
    own = box.least_squares(table, right)
    assert ((own >= box.least) & (own <= box.most)).all()
    assert 0.5 * ((table @ own - right) ** 2).sum() <= wanted.cost * (1 + 1e-9)
    # The same from products of orthonormal columns: that is how a fit asks for it.
    q, r = np.linalg.qr(table)
    np.testing.assert_allclose(box.minimum(q.T @ q, q.T @ right, r), own, rtol=1e-7, atol=1e-9)


def test_the_root_of_a_singular_matrix_gives_it_back():
    thin = np.random.default_rng(0).normal(size=(4, 2))
    gram = thin @ thin.T
    root = matrix_root(gram)
    np.testing.assert_allclose(root @ root.T, gram, atol=1e-12)
    np.linalg.inv(root)  # and can be solved with


@pytest.mark.parametrize("which", ["all", "half", "resampled"])
def test_no_linear_parameters_are_better(which):
    problem = problem_of()
    draw = np.random.default_rng(1)
    n = len(problem.measured)
    weights = {"all": np.ones(n), "half": np.arange(n) % 2.0, "resampled": draw.poisson(1.0, n) * 1.0}
    problem = problem.reweighted(weights[which])
    for seed in range(3):
        factors = np.random.default_rng(seed).uniform(0.7, 1.4, 4)
        psi = {
            name: TRUTH[name] * factor
            for name, factor in zip(problem.law.nonlinear_names, factors, strict=True)
        }
        found = problem.at(problem.start(psi))
        assert found.objective <= searched(problem, found) * (1 + 1e-7)


def searched(problem, point):
    """Least objective that a general optimiser finds from a point on, the nonlinear parameters held."""
    columns, unit = point.basis.columns, np.abs(point.linear) + 1e-3

    def objective(z):
        loss = np.maximum(columns @ (z * unit), 1e-3)
        residual = np.log(loss) - problem.log_measured
        slope = columns.T @ (problem.huber_weights(residual) * residual / loss)
        return problem.rho(residual), slope * unit

    options = {"ftol": 1e-15, "gtol": 1e-14, "maxiter": 5000}
    bounds = [(0, None)] * len(unit)
    return minimize(objective, point.linear / unit, jac=True, bounds=bounds, options=options).fun


@pytest.mark.parametrize("kept", [1.0, 0.3])
def test_the_gradient_is_that_of_the_reduced_objective(kept):
    problem = problem_of()
    u = problem.start({**TRUTH, "alpha": 0.6, "C": 100.0, "p": 0.9})
    problem.strength = 1e-5
    gradient, curvature = problem.slope(problem.at(u), kept)
    for index in range(len(u)):
        step = np.zeros(len(u))
        step[index] = 1e-4
        numeric = (problem.at(u + step).objective - problem.at(u - step).objective) / 2e-4
        assert gradient[index] == pytest.approx(numeric, rel=1e-3, abs=1e-6 * np.abs(gradient).max())
    assert (np.linalg.eigvalsh(curvature) > 0).all()
