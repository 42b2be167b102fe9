"""Pools that run out: what each side is shown, and that nobody gains from the other's repeats."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcpt.core.errors import ConfigError
from dcpt.laws.data_constrained import R_D, effective_tokens
from dcpt.laws.registry import get_law
from dcpt.plan.supply.drawn_law import DrawnLaw
from dcpt.plan.supply.repetition import Supply, shown_to

NONE = np.empty(0, dtype=np.int64)
POINT = slice(0, 1)

shares = st.floats(0.05, 0.95)
tokens = st.floats(1e5, 1e7)


def loss(law, D, r, supply):
    return float(law.losses(POINT, np.array([D]), np.array([r]), supply)[0])


@pytest.fixture(scope="module")
def laws(synthetic):
    return {
        side: DrawnLaw(side, synthetic.fit_of(side, draws=2), 0.6e6, NONE) for side in ("general", "domain")
    }


@settings(max_examples=25, deadline=None)
@given(tokens, shares, st.sampled_from(["general", "domain"]))
def test_a_run_without_repeats_is_shown_as_it_is(D, r, side):
    pools = Supply(domain=r * D * (1 + 1e-9), general=(1 - r) * D * (1 + 1e-9))
    for run in shown_to(side, np.array([D]), np.array([r]), pools):
        assert run.D[0] == pytest.approx(D, rel=1e-8)
        assert run.s[0] == pytest.approx(r if side == "domain" else 1 - r, rel=1e-8)


@settings(max_examples=25, deadline=None)
@given(tokens, shares, st.floats(1.0, 30.0))
def test_the_domain_sees_the_data_constrained_law_with_the_domains_epochs(laws, D, r, passes):
    # D' of Muennighoff et al. is homogeneous: D'(D, U) = D'(rD, rU)/r. The law that has it built in gives the
    # same loss when told that all D tokens have the domain's epochs.
    fit = laws["domain"].fit
    law = get_law(f"d-cpt+repetition={R_D}")
    inputs = {"N": 0.6, "D": D / 1e6, "s": r, "U": D / passes / 1e6}
    expected = float(law.evaluate(fit.theta, inputs)[0])
    assert loss(laws["domain"], D, r, Supply(domain=r * D / passes)) == pytest.approx(expected, rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(tokens, shares, st.floats(1.0, 40.0), st.floats(1.0, 3.0))
def test_no_side_gains_from_repeating_the_other(laws, own, share, passes, more):
    # The side's own tokens stay; the other side's pool is repeated, then repeated more.
    for side in ("general", "domain"):
        pool = own * share / (1 - share)

        def at(epochs, side=side, pool=pool):
            D = own + pool * epochs
            r = own / D if side == "domain" else 1 - own / D
            limited = Supply(**{"general" if side == "domain" else "domain": pool})
            return loss(laws[side], D, r, limited)

        once = at(1.0)
        assert at(passes) >= once * (1 - 1e-12)
        assert at(passes * more) >= once * (1 - 1e-12)


@settings(max_examples=25, deadline=None)
@given(tokens, shares, st.floats(1.5, 30.0))
def test_a_repeated_pool_is_worth_less_than_fresh_text(laws, D, r, passes):
    fresh = {side: loss(laws[side], D, r, Supply()) for side in laws}
    assert loss(laws["domain"], D, r, Supply(domain=r * D / passes)) > fresh["domain"]
    assert loss(laws["general"], D, r, Supply(general=(1 - r) * D / passes)) > fresh["general"]


@settings(max_examples=25, deadline=None)
@given(tokens, shares, st.floats(1.0, 30.0))
def test_more_passes_never_raise_the_domain_loss_at_a_given_share(laws, D, r, passes):
    pool = Supply(domain=r * D)
    assert loss(laws["domain"], D * passes, r, pool) <= loss(laws["domain"], D, r, pool) * (1 + 1e-12)


def test_forgetting_follows_the_steps_taken(synthetic):
    # A law whose loss rises with D at little replay must not be spared by a domain pool that is used up.
    values = dict(S=0.2, Q=0.001, p=0.0, g=1.0, h=0.01, v=0.0, eps=0.01, w=0.0, c=1.0)
    fit = synthetic.fit_of("general", values, law="anchored-shift", draws=2)
    law = DrawnLaw("general", fit, 0.6e6, NONE, {"L0": 3.0})
    pool = Supply(domain=1e5)
    found = [loss(law, D, 0.99, pool) for D in (1e5, 1e6, 1e7)]
    assert found == sorted(found)
    assert found[2] == pytest.approx(loss(law, 1e7, 0.99, Supply()), rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(tokens, shares)
def test_a_law_that_counts_repetition_is_not_discounted_twice(synthetic, D, r):
    values = dict(synthetic.DOMAIN, R_D=R_D)
    fit = synthetic.fit_of("domain", values, law="d-cpt+repetition", draws=2)
    law = DrawnLaw("domain", fit, 0.6e6, NONE)
    pool = r * D / 5
    plain = DrawnLaw("domain", synthetic.fit_of("domain", draws=2), 0.6e6, NONE)
    # A decay given beside such a law is not looked at: its own is fitted.
    assert loss(law, D, r, Supply(domain=pool, decay=1.0)) == pytest.approx(
        loss(plain, D, r, Supply(domain=pool)), rel=1e-12
    )
    assert law.measures_repetition
    assert not plain.measures_repetition


def test_worth_is_the_published_discount():
    pool = Supply(domain=2e9)
    assert float(pool.worth("domain", 8e9)) == pytest.approx(float(effective_tokens(8e9, 2e9)))
    assert float(pool.worth("general", 8e9)) == 8e9
    assert pool.epochs("domain", 10e9, 0.8) == pytest.approx(4)
    assert pool.epochs("general", 10e9, 0.8) is None


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"domain": 0.0}, "domain pool has 0 unique tokens"),
        ({"general": -1.0}, "general pool has -1 unique tokens"),
        ({"domain_epochs": 4.0}, "of a pool that is not given"),
        ({"domain": 1e9, "domain_epochs": 0.0}, "domain epochs are 0"),
        ({"domain": 1e9, "decay": 0.0}, "decay is 0"),
    ],
)
def test_impossible_pools_are_refused(fields, said):
    with pytest.raises(ConfigError, match=said):
        Supply(**fields)
