"""Ties that cannot be meant are refused; tied parameters keep inside their own bounds."""

from __future__ import annotations

import numpy as np
import pytest

from dcpt.core.errors import ConfigError
from dcpt.fit import fit_law
from dcpt.fit.constraints import Constraints, read_constraints
from dcpt.fit.dataset import Units
from dcpt.fit.raw_values import raw_powers
from dcpt.fit.space import read_params
from dcpt.laws import get_law


def tied(name: str, text: str):
    params = get_law("d-cpt").lmfit_parameters()
    params[name].set(expr=text)
    return params


@pytest.mark.parametrize(
    "text",
    [
        "1/(beta-beta)",
        "log(gamma-gamma)",
        "log(0-1)+beta",
        "(0-1)**0.3*beta",
        "beta + 1e999",
        "exp(1/(nu-nu))",
    ],
)
def test_a_tie_without_real_values_is_refused(text) -> None:
    with pytest.raises(ConfigError, match=r"tie of alpha: .* wanted an expression with real values"):
        read_params(get_law("d-cpt"), tied("alpha", text))


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("7", "is 7"),
        ("beta + 4", "runs from 4.001 to 7"),
        ("beta + gamma + 5", "runs from"),
        ("log(0-beta)", "no real"),
    ],
)
def test_a_tie_that_never_meets_the_bounds_is_refused(text, got) -> None:
    with pytest.raises(ConfigError, match=rf"tie of alpha: .*{got}.* bounds of alpha, 0.001 to 3"):
        read_params(get_law("d-cpt"), tied("alpha", text))


def test_the_source_of_a_tie_is_bounded_so_that_both_stay_inside() -> None:
    space = read_params(get_law("d-cpt"), tied("alpha", "100*beta"))
    beta = space.names.index("beta")
    assert space.upper[beta] == pytest.approx(0.03, rel=1e-6)
    assert space.lower[beta] == 0.001


def test_a_tie_to_several_is_undefined_outside_and_starts_move_inside() -> None:
    space = read_params(get_law("d-cpt"), tied("alpha", "beta + gamma"))
    theta = np.full((2, len(space.names)), 0.5)
    theta[1, [space.names.index("beta"), space.names.index("gamma")]] = 2.9
    full, slope = space.expand(theta[:, space.free])
    alpha = space.names.index("alpha")
    assert full[0, alpha] == 1.0
    assert np.isnan(full[1, alpha])
    assert (slope[1, alpha] == 0).all()
    moved = space.expand(space.shrink(theta))[0]
    np.testing.assert_array_equal(moved[0], full[0])
    assert 0.001 <= moved[1, alpha] <= 3.0


@pytest.mark.parametrize("text", ["100*beta", "beta + gamma", "exp(beta)*gamma"])
def test_a_fit_keeps_a_tied_parameter_inside_its_bounds(make, text) -> None:
    fit = fit_law(
        "d-cpt", make(noise=1e-3), "domain", params=tied("alpha", text), bootstrap=5, holdouts=False
    )
    at = fit.law.names.index("alpha")
    values = np.append(fit.draws[:, at], fit.theta[at])
    assert ((values >= 0.001) & (values <= 3.0 + 1e-6)).all()
    named = fit.values
    want = {"100*beta": 100 * named["beta"], "beta + gamma": named["beta"] + named["gamma"]}
    assert named["alpha"] == pytest.approx(want.get(text, np.exp(named["beta"]) * named["gamma"]), rel=1e-6)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("9**9**9", "has the exponent 3.8742e\\+08; wanted one from -1000 to 1000"),
        ("2**(0-9**9)", "exponent"),
        ("(9*beta)**(9**300)", "exponent"),
        ("exp(exp(9))", "beyond what a float holds"),
        ("9" * 400 + "*beta", "beyond what a float holds"),
        ("+".join(["beta"] * 60), "nested 60 deep"),
        ("-" * 3000 + "beta", "3004 characters"),
        ("(" * 500 + "beta" + ")" * 500, "not valid"),
    ],
)
def test_a_tie_that_would_not_end_is_refused(text, sentence) -> None:
    with pytest.raises(ConfigError, match=sentence):
        read_constraints(get_law("d-cpt"), Constraints(ties={"alpha": text}), Units(1.0, 1.0))


def test_constants_are_followed_through_ties_and_held_values() -> None:
    law = get_law("d-cpt")
    with pytest.raises(ConfigError, match="exponent"):
        read_constraints(law, Constraints(ties={"alpha": "9**9**gamma", "gamma": "9"}), Units(1.0, 1.0))
    with pytest.raises(ConfigError, match="exponent"):
        read_constraints(law, Constraints({"nu": 2.0}, ties={"alpha": "9**9**(9*nu)"}), Units(1.0, 1.0))


def test_nested_corners_are_quick_and_have_their_slopes() -> None:
    """sympy's own Min and Max take minutes for this one."""
    text = "max(alpha, log(max(nu, exp(min(alpha*nu, log(max(gamma, exp(min(eps*nu, gamma)))))))))"
    space = read_params(get_law("d-cpt"), tied("beta", text))
    rng = np.random.default_rng(0)
    u = space.shrink(rng.uniform(0.2, 0.9, (50, len(space.names))))
    full, slope = space.expand(u)
    alpha, nu, gamma, eps = (full[:, space.names.index(name)] for name in ("alpha", "nu", "gamma", "eps"))
    inner = np.minimum(alpha * nu, np.log(np.maximum(gamma, np.exp(np.minimum(eps * nu, gamma)))))
    want = np.maximum(alpha, np.log(np.maximum(nu, np.exp(inner))))
    beta = space.names.index("beta")
    np.testing.assert_allclose(full[:, beta], want)
    step = 1e-7
    for column in range(u.shape[1]):
        moved = u.copy()
        moved[:, column] += step
        rise = (space.expand(moved)[0][:, beta] - full[:, beta]) / step
        np.testing.assert_allclose(slope[:, beta, column], rise, atol=1e-5)


def test_raw_bounds_are_a_free_raw_value() -> None:
    law, units = get_law("d-cpt"), Units(1e6, 1e9)
    space = read_constraints(law, Constraints(bounds={"A": (10.0, 500.0), "B": (0.0, 1e4)}), units)
    assert space.raw == ("A", "B")
    rng = np.random.default_rng(0)
    theta = rng.uniform(0.2, 0.9, (20, len(law.names)))
    powers = raw_powers(law)
    assert powers is not None
    theta[:, 1:3] = rng.uniform(20, 300, (20, 2)) / powers.factors(theta, units)[:, 1:3]
    u = space.shrink(theta)
    full, slope = space.expand(u)
    np.testing.assert_allclose(full, theta)
    raw = full * powers.factors(full, units)
    np.testing.assert_allclose(u[:, 1:3], raw[:, 1:3])
    np.testing.assert_allclose(raw[:, 1], theta[:, 1] * 1e6 ** theta[:, law.names.index("alpha")])
    moved = u.copy()
    alpha = law.names.index("alpha")
    moved[:, alpha] += 1e-7
    rise = (space.expand(moved)[0][:, 1] - full[:, 1]) / 1e-7
    np.testing.assert_allclose(slope[:, 1, alpha], rise, rtol=1e-4)


@pytest.mark.parametrize("name", ["d-cpt", "cross-lingual", "d-cpt-constrained", "cmr-general-tokens"])
def test_raw_values_leave_every_loss_as_it_is(name) -> None:
    law, units = get_law(name), Units(1e6, 1e9)
    powers = raw_powers(law)
    assert powers is not None
    rng = np.random.default_rng(1)
    theta = np.clip(rng.uniform(0.2, 0.9, (7, len(law.names))), law.lower, law.upper)
    raw = {"N": rng.uniform(1e6, 1e8, 9), "D": rng.uniform(1e8, 1e10, 9), "Dmin": np.full(9, 1e8)}
    raw |= {other: rng.uniform(0.2, 0.8, 9) for other in law.inputs if other not in raw}
    inputs = {key: raw[key] for key in law.inputs}
    same = law.evaluate(theta * powers.factors(theta, units), inputs)
    np.testing.assert_allclose(same, law.evaluate(theta, units.scale(inputs, {})), rtol=1e-9)


@pytest.mark.parametrize("name", ["kaplan", "d-cpt-l5", "base-surface", "anchored-shift"])
def test_some_laws_have_no_raw_values(name) -> None:
    assert raw_powers(get_law(name)) is None
