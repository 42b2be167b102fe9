"""Formulas as numpy code: corners, signs, zero bases, and the arrangement the solver works with."""

from __future__ import annotations

import ast

import numpy as np
import pytest

from dcpt.laws import get_law
from dcpt.laws.compiled import compile_formula
from dcpt.laws.formula import read_formula
from dcpt.laws.latex import formula_latex
from dcpt.laws.law import Law, linear, nonlinear


def compiled(text, inputs, linear_names, names):
    return compile_formula(read_formula(text, "test"), inputs, linear_names, names)


def check_derivatives(made, columns, theta, rtol=1e-6):
    """Compare the closed-form Jacobian with central differences, and the kernel with both."""
    value, *slopes = made.value_and_jacobian(*columns, *theta)
    np.testing.assert_allclose(made.value(*columns, *theta), value, rtol=1e-13)
    factors = made.kernel.factors(*theta)
    _, *parts = made.kernel.columns(*made.kernel.prepare(*columns), *theta)
    for index, slope in enumerate(slopes):
        step = 1e-6 * np.eye(len(theta))[index]
        ahead, behind = (made.value(*columns, *(theta + sign * step)) for sign in (1, -1))
        wanted = (ahead - behind) / 2e-6
        np.testing.assert_allclose(slope + 0 * wanted, wanted, rtol=rtol, atol=1e-8)
        np.testing.assert_allclose(factors[index] * parts[index] + 0 * wanted, wanted, rtol=rtol, atol=1e-8)


def test_minimum_and_maximum_have_the_slope_of_the_side_that_is_in_force():
    made = compiled(
        "E + A*max(N, n0)**-alpha + B*min(D, d0)",
        ("N", "D"),
        ("E", "A", "B"),
        ("E", "A", "B", "n0", "d0", "alpha"),
    )
    columns = [np.array([0.2, 0.9, 2.0]), np.array([3.0, 0.4, 0.1])]
    check_derivatives(made, columns, np.array([1.0, 0.5, 0.3, 0.7, 0.6, 0.4]))
    # In a batch of parameter vectors each row of the result belongs to one vector.
    theta = np.array([[1, 0.5, 0.3, 0.7, 0.6, 0.4], [1, 0.5, 0.3, 1.5, 0.2, 0.4]])
    both = made.value(*columns, *theta.T[:, :, None])
    for row, one in zip(both, theta, strict=True):
        np.testing.assert_allclose(row, made.value(*columns, *one), rtol=1e-14)
    tree = ast.parse("E + A*max(N, n0)**-alpha", mode="eval").body
    assert r"\max\left(N, \mathrm{n0}\right)" in formula_latex(tree)


def test_a_signed_parameter_inside_a_corner_stays_as_written():
    made = compiled("E + max(g, 0)*N", ("N",), ("E",), ("E", "g"))
    N = np.array([1.0, 2.0])
    np.testing.assert_allclose(made.value(N, 1.0, -0.5) + 0 * N, 1.0)
    np.testing.assert_allclose(made.value(N, 1.0, 0.5), 1 + 0.5 * N)


def test_a_power_of_zero_is_off_unless_its_exponent_is_zero():
    made = compiled("E + B*s**nu*D**-beta", ("D", "s"), ("E", "B"), ("E", "B", "nu", "beta"))
    D, s = np.array([2.0, 2.0]), np.array([0.0, 0.5])
    np.testing.assert_allclose(made.value(D, s, 1.0, 3.0, 0.4, 0.5)[0], 1.0)
    np.testing.assert_allclose(made.value(D, s, 1.0, 3.0, 0.0, 0.5), 1 + 3 * D**-0.5)
    for nu in (0.0, 0.4):
        slopes = made.value_and_jacobian(D, s, 1.0, 3.0, nu, 0.5)[1:]
        assert all(np.isfinite(slope).all() for slope in slopes)
        assert slopes[2][0] == 0.0


def test_logarithms_of_inputs_and_of_sums_are_differentiated():
    made = compiled(
        "E + A*(log(N) + D*c)**-alpha + log(D + c)", ("N", "D"), ("E", "A"), ("E", "A", "c", "alpha")
    )
    columns = [np.array([3.0, 9.0, 30.0]), np.array([0.5, 1.0, 2.0])]
    check_derivatives(made, columns, np.array([1.0, 0.7, 0.3, 0.6]))


@pytest.mark.parametrize("name", ["chinchilla", "d-cpt"])
def test_the_kernel_of_a_law_takes_each_power_once(name):
    import inspect

    law = get_law(name)
    source = inspect.getsource(law.compiled.kernel.columns)
    powers = len(law.linear_names) - 1 + (name == "d-cpt")  # s**nu and D**-beta are one term of d-cpt
    tree = ast.parse(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert sum(getattr(node.func, "id", "") == "exp" for node in calls) == powers
    assert "**" not in source


def test_values_do_not_depend_on_the_arrangement():
    class Plain(Law):
        """A law of every ingredient."""

        name = "ingredients"
        formula = "E + A*(N*(1 + q*s))**-alpha + C*exp(-k*D)*log(1 + N)"
        reference = "for tests"
        E = linear(0, 10, "irreducible loss")
        A = linear(0, 10, "size")
        C = linear(-10, 10, "signed")
        q = nonlinear(0, 2, "slope")
        k = nonlinear(0, 2, "rate")
        alpha = nonlinear(0.01, 3, "exponent")

    rng = np.random.default_rng(0)
    N, D, s = rng.uniform(0.1, 3, (3, 7))
    E, A, C, q, k, alpha = theta = np.array([1.0, 0.6, -0.4, 0.7, 0.3, 0.5])
    wanted = E + A * (N * (1 + q * s)) ** -alpha + C * np.exp(-k * D) * np.log(1 + N)
    np.testing.assert_allclose(Plain().evaluate(theta, {"N": N, "D": D, "s": s}), wanted, rtol=1e-13)
    check_derivatives(Plain().compiled, [N, D, s], theta)
