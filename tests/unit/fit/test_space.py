"""Ties that cannot be meant are refused; tied parameters keep inside their own bounds."""

from __future__ import annotations

import numpy as np
import pytest

from dcpt.core.errors import ConfigError
from dcpt.fit import fit_law
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
