"""Laws are found by name and follow from their declaration; a faulty declaration is refused."""

from __future__ import annotations

import numpy as np
import pytest

from dcpt.core.errors import ConfigError
from dcpt.core.symbols import LAW_INPUTS, LEGEND, Symbol
from dcpt.laws import Law, get_law, linear, list_laws, nonlinear
from dcpt.laws.chinchilla import Chinchilla
from dcpt.laws.family import LawFamily
from dcpt.laws.law import INPUTS
from dcpt.laws.registry import list_families, offered_laws


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


COLUMN = Symbol("h", "share of a corpus", "1", "h")


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
        ({"formula": "E*min(D)", "E": linear(0, 1, "e")}, "wanted numbers"),
        ({"formula": "E*exp(D, N)", "E": linear(0, 1, "e")}, "wanted numbers"),
        ({"formula": "max(E, D)", "E": linear(0, 1, "e")}, "not linear in 'E'"),
        ({"formula": "E*D", "E": linear(0, 1, "e"), "sides": ("both",)}, "one or both of general, domain"),
        ({"formula": "E*D", "E": linear(0, 1, "e"), "sides": ()}, "one or both of general, domain"),
        ({"formula": "E*D", "E": linear(0, 1, "e"), "columns": (COLUMN,)}, "column 'h' is declared"),
        ({"formula": "U*D", "U": linear(0, 1, "u")}, "name of a symbol"),
        ({"formula": "E*N", "E": linear(0, 1, "e"), "columns": (Symbol("N", "n", "1", "N"),)}, "column 'N'"),
        ({"formula": "h*D", "h": linear(0, 1, "h"), "columns": (COLUMN,)}, "'h' is declared twice"),
        (
            {"formula": "E*D", "E": linear(0, 1, "e"), "columns": (Symbol("a b", "", "", ""),)},
            "not used|name",
        ),
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


def test_inputs_beside_the_legend_are_no_table_columns():
    from dcpt.core.loss_table import COLUMNS

    assert {"L0", "U", "Dmin"} <= set(LAW_INPUTS)
    assert not set(LAW_INPUTS) & (set(LEGEND) | set(COLUMNS))
    assert set(INPUTS) <= set(LEGEND) | set(LAW_INPUTS)


def test_a_law_may_have_columns_of_its_own():
    class Width(Law):
        """Loss against the width and a share."""

        name = "width"
        formula = "E + A*max(W, N)**-alpha + r*min(h, 0.5)"
        reference = "none"
        columns = (Symbol("W", "parameters of a layer", "parameters", "W_1"), COLUMN)
        domain = {"h": (0.0, 1.0)}  # noqa: RUF012
        E = linear(0, 1, "e")
        A = linear(0, 1, "a")
        alpha = nonlinear(0.1, 1, "alpha")

    law = Width()
    assert law.inputs == ("N", "r", "W", "h")
    assert law.domain["h"] == (0.0, 1.0)
    assert law.domain["W"][0] > 0
    assert [symbol.unit for symbol in law.symbols.values()] == ["parameters", "1", "parameters", "1"]
    assert law.latex.startswith("L(N, r, W, h) = ")
    got = law.evaluate([0.5, 1.0, 0.5], {"N": 1.0, "W": [4.0, 0.25], "r": 0.1, "h": [0.2, 0.9]})
    np.testing.assert_allclose(got, [0.5 + 0.5 + 0.02, 0.5 + 1.0 + 0.05])

    body = {"columns": (Symbol("W", "parameters of a layer", "1", "W_1"), COLUMN)}
    assert type("Raw", (Width,), body)().hash != law.hash  # its W is not scaled: other coefficients


def test_families_make_laws_by_name():
    assert {family.usage for family in list_families()} == {"additive-mixture-K", "LAW+repetition[=DECAY]"}
    assert get_law("additive-mixture-4") is get_law("additive-mixture-4")
    assert get_law("additive-mixture-4").inputs == ("N", "D", "h1", "h2", "h3", "h4")
    assert not any("+" in law.name or law.name.startswith("additive") for law in list_laws())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("additive-mixture-1", "1 corpora; wanted 2 to 20"),
        ("additive-mixture-21", "21 corpora"),
        ("additive-mixture-x", "is unknown"),
        ("d-ctp+repetition", "law 'd-ctp' is unknown"),
        ("cmr-ratio+repetition", "wanted D"),
        ("data-constrained+repetition", "neither U"),
        ("d-cpt+repetition+repetition", "neither U"),
        ("d-cpt+repetition=often", "'often' is not a number of epochs"),
        ("d-cpt+repetition=-1", "wanted a positive number"),
        ("d-cpt+repetition=nan", "wanted a positive number"),
    ],
)
def test_a_family_refuses_what_it_cannot_make(name, message):
    with pytest.raises(ConfigError, match=message):
        get_law(name)


def test_families_offer_laws_for_the_columns_of_a_table():
    def names(*columns):
        return {law.name for law in offered_laws(columns)}

    assert names() == set()
    assert names("U", "lr") == {"d-cpt+repetition", "chinchilla+repetition"}
    assert names("h3", "h1", "h2", "h5") == {"additive-mixture-3"}
    assert names("h1") == names("h2", "h3") == set()
    assert LawFamily("x", "x", lambda: get_law("d-cpt")).offers(("U",)) == ()
