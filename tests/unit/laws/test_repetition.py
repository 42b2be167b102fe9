"""Repeated tokens: what they are worth, inside any law and in the full published one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcpt.core.errors import ConfigError
from dcpt.laws import get_law
from dcpt.laws.data_constrained import R_D, effective_tokens, epochs, from_chinchilla, useful_size
from dcpt.laws.repetition import PUBLISHED, with_repetition

amount = st.floats(0.01, 100.0)
CHINCHILLA = dict(E=1.8, A=2.0, B=1.5, alpha=0.4, beta=0.3)


@given(amount, amount, st.floats(0.5, 50.0))
def test_effective_tokens_lie_between_the_unique_and_all(D, U, decay):
    worth = float(effective_tokens(D, U, decay))
    assert min(D, U) <= worth <= D * (1 + 1e-12)
    assert worth <= U * (1 + decay) * (1 + 1e-12)
    if D <= U:
        assert worth == D


@pytest.mark.parametrize("name", ["d-cpt", "kaplan", "cross-lingual", "additive-mixture-2"])
def test_a_law_with_repetition_is_the_law_at_the_effective_tokens(name):
    rng = np.random.default_rng(0)
    N, D, U = np.exp(rng.uniform(-3, 3, (3, 50)))
    plain, free = get_law(name), get_law(f"{name}+repetition")
    theta = np.full(len(plain.names), 0.4)
    rest = {"N": N, "s": 0.3, "h1": 0.3, "h2": 0.7}
    assert free.names == (*plain.names, "R_D")
    for decay, held in ((PUBLISHED, with_repetition(plain, PUBLISHED)), (2.0, None)):
        want = plain.evaluate(theta, {**rest, "D": effective_tokens(D, U, decay)})
        np.testing.assert_allclose(free.evaluate([*theta, decay], {**rest, "D": D, "U": U}), want, rtol=1e-12)
        if held is not None:
            np.testing.assert_allclose(held.evaluate(theta, {**rest, "D": D, "U": U}), want, rtol=1e-12)


def test_names_tell_free_from_held_and_survive_the_registry():
    held = with_repetition(get_law("d-cpt"), PUBLISHED)
    assert held.name == "d-cpt+repetition=15.387756"
    again = get_law(held.name)
    assert again.hash == held.hash
    assert again.hash != get_law("d-cpt+repetition").hash != get_law("d-cpt").hash
    assert again.sides == get_law("d-cpt").sides
    assert "2305.16264" in again.reference
    assert "repeated tokens" in again.title


@given(amount, amount, st.floats(0.1, 10.0))
def test_the_full_law_is_the_printed_one(N, D, U):
    # D' and N' of arXiv:2305.16264, written out; A is recovered from the allocation constant.
    law = get_law("data-constrained")
    p = from_chinchilla(CHINCHILLA)
    got = float(law.evaluate([p[name] for name in law.names], {"N": N, "D": D, "U": U})[0])
    c = CHINCHILLA
    seen = min(D, U)
    tokens = seen + seen * R_D * (1 - np.exp(-(D / seen - 1) / R_D))
    G = (c["alpha"] * c["A"] / (c["beta"] * c["B"])) ** (1 / (c["alpha"] + c["beta"]))
    useful = min(N, G * (seen * G) ** (c["beta"] / c["alpha"]))
    size = useful + useful * 5.309743 * (1 - np.exp(-(N / useful - 1) / 5.309743))
    assert got == pytest.approx(
        c["E"] + c["A"] / size ** c["alpha"] + c["B"] / tokens ** c["beta"], rel=1e-12
    )


def test_without_repetition_and_excess_the_full_law_is_chinchillas():
    law, plain = get_law("data-constrained"), get_law("chinchilla")
    p = from_chinchilla(CHINCHILLA)
    U = 2.0
    N = 0.5 * float(useful_size(U, p))
    got = law.evaluate([p[name] for name in law.names], {"N": N, "D": U, "U": U})
    want = plain.evaluate([CHINCHILLA[name] for name in plain.names], {"N": N, "D": U})
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_mistakes_are_named():
    assert float(epochs(12.0, 3.0)) == 4.0
    with pytest.raises(ConfigError, match="wanted positive tokens"):
        epochs(1.0, 0.0)
    with pytest.raises(ConfigError, match="decay = 0"):
        effective_tokens(2.0, 1.0, 0.0)
    with pytest.raises(ConfigError, match="A = 0"):
        from_chinchilla({**CHINCHILLA, "A": 0.0})
