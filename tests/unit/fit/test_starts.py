"""Where fits start: exact coefficients on a grid of exponents."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import nnls

from dcpt.fit.dataset import prepare
from dcpt.fit.nnls import solve_nonnegative
from dcpt.fit.objective import Problem
from dcpt.fit.space import free_space, read_params
from dcpt.fit.starts import FEWEST, KEEP, start_grid
from dcpt.laws import get_law
from dcpt.laws.law import Law, linear, nonlinear


@pytest.mark.parametrize("k", [1, 3, 5, 7])
def test_batched_coefficients_are_scipys_nnls(k):
    rng = np.random.default_rng(k)
    cells, rows = 60, 30
    matrix = rng.standard_normal((cells, rows, k)) + 0.7
    target = rng.standard_normal((cells, rows)) + 0.3
    gram = np.einsum("cri,crj->ijc", matrix, matrix)
    right = np.einsum("cri,cr->ic", matrix, target)
    none = np.zeros(k, dtype=bool)
    found = solve_nonnegative(gram, right, none, none)
    expected = np.array([nnls(a, b)[0] for a, b in zip(matrix, target, strict=True)]).T
    np.testing.assert_allclose(found, expected, atol=1e-8)
    assert (found == 0).any() or k == 1


def test_signed_coefficients_are_free_and_absent_ones_are_zero():
    rng = np.random.default_rng(0)
    matrix, target = rng.standard_normal((40, 3)), rng.standard_normal(40)
    target = target - 2 * matrix[:, 0] + matrix[:, 2]
    gram, right = (matrix.T @ matrix)[:, :, None], (matrix.T @ target)[:, None]
    signed, absent = np.array([True, False, False]), np.array([False, False, True])
    found = solve_nonnegative(gram, right, signed, absent)[:, 0]
    assert found[2] == 0
    assert found[0] < -1
    assert found[1] >= 0
    only = matrix[:, :1] if found[1] == 0 else matrix[:, :2]
    np.testing.assert_allclose(found[: only.shape[1]], np.linalg.lstsq(only, target)[0], rtol=1e-8)


def test_dependent_columns_do_no_harm():
    column = np.linspace(1, 2, 20)
    matrix = np.column_stack([column, column, np.zeros(20)])
    gram, right = (matrix.T @ matrix)[:, :, None], (matrix.T @ (3 * column))[:, None]
    none = np.zeros(3, dtype=bool)
    found = solve_nonnegative(gram, right, none, none)[:, 0]
    np.testing.assert_allclose(matrix @ found, 3 * column, rtol=1e-6)


def test_the_best_cell_is_near_the_optimum_and_there_is_company(make, truth):
    law = get_law("d-cpt")
    data, _ = prepare(make(noise=0.002), "domain")
    starts = start_grid(law, data, free_space(law))
    assert FEWEST <= len(starts) <= KEEP
    problem = Problem(law, data, free_space(law))
    residual = problem.residual(starts)
    assert np.sqrt((residual[0] ** 2).mean()) < 0.01
    np.testing.assert_array_equal(starts, start_grid(law, data, free_space(law)))
    lower, upper = problem.space.box
    assert ((starts > lower) & (starts < upper)).all()


def test_outliers_do_not_lead_the_grid_astray(make):
    law = get_law("d-cpt")
    clean, _ = prepare(make(noise=0.002), "domain")
    spoiled = clean.take(np.arange(len(clean)))
    loss = clean.loss.copy()
    loss[::20] *= 1.5
    object.__setattr__(spoiled, "loss", loss)
    good = np.ones(len(loss), dtype=bool)
    good[::20] = False
    residual = Problem(law, clean, free_space(law)).residual(start_grid(law, spoiled, free_space(law))[0])
    assert np.sqrt((residual[good] ** 2).mean()) < 0.02


def test_a_fixed_exponent_has_one_value_on_the_grid(make):
    law = get_law("d-cpt")
    data, _ = prepare(make(noise=0.002), "domain")
    params = law.lmfit_parameters()
    params["eps"].set(value=0.2, vary=False)
    params["C"].set(value=0.1, vary=False)
    space = read_params(law, params)
    theta = space.expand(start_grid(law, data, space))[0]
    assert (theta[:, law.names.index("eps")] == 0.2).all()
    assert (theta[:, law.names.index("C")] == 0.1).all()


class ManyExponents(Law):
    """Nine nonlinear parameters: too many for a grid."""

    name = "many-exponents"
    formula = "E + A*(N + n0)**-alpha + B*(D + d0)**-beta + C*(s + eps)**-gamma * exp(-k*N - l*D - m*s)"
    reference = "for tests"
    E = linear(0.0, 20.0, "irreducible loss")
    A = linear(0.0, 1e6, "size")
    B = linear(0.0, 1e6, "tokens")
    C = linear(0.0, 1e3, "mixture")
    alpha = nonlinear(1e-3, 3.0, "size exponent")
    beta = nonlinear(1e-3, 3.0, "token exponent")
    gamma = nonlinear(1e-3, 3.0, "share exponent")
    n0 = nonlinear(0.0, 1.0, "offset of the size")
    d0 = nonlinear(0.0, 1.0, "offset of the tokens")
    eps = nonlinear(1e-4, 1.0, "offset of the share")
    k = nonlinear(-1.0, 1.0, "slope in size")
    l = nonlinear(-1.0, 1.0, "slope in tokens")  # noqa: E741
    m = nonlinear(-1.0, 1.0, "slope in the share")


def test_many_exponents_are_scattered_instead(make):
    law = ManyExponents()
    data, _ = prepare(make(noise=0.002), "domain")
    starts = start_grid(law, data, free_space(law))
    assert len(starts) == KEEP
    problem = Problem(law, data, free_space(law))
    assert np.abs(problem.residual(starts[0])).max() < 0.1
    assert (np.ptp(starts, axis=0) > 0).all()
