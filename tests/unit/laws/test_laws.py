"""Every law passes the conformance class; a faulty declaration is refused."""

from __future__ import annotations

import numpy as np
import pytest

from dcpt.core.errors import ConfigError
from dcpt.laws import Law, get_law, linear, list_laws, nonlinear
from dcpt.laws.chinchilla import Chinchilla
from dcpt.laws.conformance import LawConformance
from dcpt.laws.dcpt_law import DCPT2024


class TestChinchilla(LawConformance):
    law = Chinchilla()


class TestDCPT(LawConformance):
    law = DCPT2024()

    def monotone_draw(self, seed):
        # Que et al. 2024, Sec. 4.1: eta > 1 and C > C0 make the loss fall in r for D >= D_min.
        theta = dict(zip(self.law.names, self.draw(seed), strict=True))
        theta["nu"] = 1.0 + theta["nu"]
        least = self.inputs()["D"].min()
        floor = theta["B"] * theta["nu"] * (1 + theta["eps"]) ** (theta["gamma"] + 1)
        theta["C"] = 1.001 * floor / (theta["gamma"] * least ** theta["beta"])
        return np.array([theta[name] for name in self.law.names])


def test_every_law_is_listed_and_found():
    names = [law.name for law in list_laws()]
    assert {"chinchilla", "d-cpt"} <= set(names)
    assert names == sorted(names)
    assert get_law("d-cpt") is get_law("d-cpt")


def test_a_misspelt_law_is_guessed():
    with pytest.raises(ConfigError, match="did you mean 'chinchilla'"):
        get_law("chinchila")
    with pytest.raises(ConfigError, match="dcpt laws"):
        get_law("zzzzzz")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"formula": "E + A*N**-alpha", "E": linear(0, 1, "e"), "A": linear(0, 1, "a")}, "'alpha'"),
        ({"formula": "E*D", "E": linear(0, 1, "e"), "eta": nonlinear(0, 1, "x")}, "name of a symbol"),
        ({"formula": "E*D", "E": linear(0, 1, "e"), "x": nonlinear(0, 1, "x")}, "not used"),
        ({"formula": "D**E", "E": linear(0, 1, "e")}, "not linear in 'E'"),
        ({"formula": "E*F*D", "E": linear(0, 1, "e"), "F": linear(0, 1, "f")}, "E, F together"),
        ({"formula": "1/(E + D)", "E": linear(0, 1, "e")}, "not linear"),
        ({"formula": "E + exp(E)*D", "E": linear(0, 1, "e")}, "not linear"),
        ({"formula": "E*D", "E": linear(1, 1, "e")}, "lo < hi"),
        ({"formula": "E*D +", "E": linear(0, 1, "e")}, "not valid"),
        ({"formula": "E*__import__('os')", "E": linear(0, 1, "e")}, "wanted numbers"),
        ({"formula": "E if D else E", "E": linear(0, 1, "e")}, "wanted numbers"),
        ({"formula": "E*D.real", "E": linear(0, 1, "e")}, "wanted numbers"),
    ],
)
def test_a_faulty_declaration_is_refused(body, message):
    with pytest.raises(ConfigError, match=message):
        type("Faulty", (Law,), {"name": "faulty", **body})


def test_a_law_may_have_an_offset_and_signs():
    class Shifted(Law):
        """A law with a part without linear parameters."""

        name = "shifted"
        formula = "exp(-k*D) + A*(1 - s) - 0.5*log(N + 1)"
        reference = "none"
        A = linear(-1, 1, "a")
        k = nonlinear(0.1, 2, "k")

    law = Shifted()
    assert law.inputs == ("N", "D", "s")
    got = law.evaluate([0.5, 1.0], {"N": 1.0, "D": 2.0, "s": 0.25})
    np.testing.assert_allclose(got, [np.exp(-2) + 0.375 - 0.5 * np.log(2)])
    offset = law.compiled.offset
    assert offset is not None
    assert offset[1] == ("k",)


def test_latex_keeps_the_written_order():
    assert get_law("d-cpt").latex == (
        r"L(N, D, s) = E + A \, N^{-\alpha} + B \, s^{\nu} \, D^{-\beta} "
        r"+ C \, \left(s + \epsilon\right)^{-\gamma}"
    )


def test_the_token_term_is_off_without_own_text():
    law = get_law("d-cpt")
    theta = dict(E=1.0, A=1.0, B=2.0, C=0.5, alpha=0.3, nu=0.4, beta=0.3, eps=0.1, gamma=0.5)
    values = np.array([theta[name] for name in law.names])
    loss = law.evaluate(values, {"N": 1.0, "D": np.array([0.1, 1.0, 10.0]), "s": 0.0})
    np.testing.assert_allclose(loss, 1.0 + 1.0 + 0.5 * 0.1**-0.5)


def test_wrong_shapes_and_missing_inputs_are_named():
    law = get_law("chinchilla")
    with pytest.raises(ConfigError, match="wanted 5 in the last axis"):
        law.evaluate([1.0, 2.0], {"N": 1.0, "D": 1.0})
    with pytest.raises(ConfigError, match="input 'D' is missing"):
        law.evaluate(np.ones(5), {"N": 1.0})


def test_the_hash_follows_formula_and_bounds():
    class Other(Law):
        """Chinchilla with another bound."""

        name = "chinchilla"
        formula = Chinchilla.formula
        reference = "none"
        E = linear(0.0, 20.0, "e")
        A = linear(0.0, 1e6, "a")
        B = linear(0.0, 1e6, "b")
        alpha = nonlinear(1e-3, 3.0, "alpha")
        beta = nonlinear(1e-3, 2.0, "beta")

    assert Other().hash != Chinchilla().hash
    assert Chinchilla().hash == get_law("chinchilla").hash
