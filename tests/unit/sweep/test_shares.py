"""Shares of tokens: exact decimals per side, and those of sweeps that were exact before."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from dcpt.core.symbols import DOMAIN, GENERAL
from dcpt.sweep.shares import shares_at

weights = st.lists(st.floats(0.01, 1000), min_size=1, max_size=8)
ratios = st.one_of(
    st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.4, 0.6, 0.7, 0.75, 0.9, 1.0]),
    st.integers(1, 9999).map(lambda number: number / 10_000),
    st.floats(1e-4, 1 - 1e-4),
)


def sides(general: list[float], domain: list[float]) -> tuple[dict[str, float], dict[str, str]]:
    within, roles = {}, {}
    for role, side in ((GENERAL, general), (DOMAIN, domain)):
        for number, weight in enumerate(side):
            within[f"{role}{number}"] = round(weight / sum(side), 9)
            roles[f"{role}{number}"] = role
    return within, roles


def decimal(value: float) -> Decimal:
    return Decimal(repr(value))


@given(weights, weights, ratios)
def test_each_side_has_exactly_its_share(general: list[float], domain: list[float], r: float) -> None:
    within, roles = sides(general, domain)
    shares = shares_at(within, roles, r)
    of_domain = sum((decimal(shares[name]) for name in roles if roles[name] == DOMAIN), Decimal(0))
    assert of_domain == decimal(round(r, 12))
    assert sum(map(decimal, shares.values()), Decimal(0)) == 1
    for name, share in shares.items():
        asked = within[name] * (r if roles[name] == DOMAIN else 1 - r)
        assert share >= 0
        assert abs(share - asked) < 1e-8


@given(weights, weights, ratios)
def test_shares_that_were_exact_are_the_same_numbers(
    general: list[float], domain: list[float], r: float
) -> None:
    """The ids of runs hash them; the earlier rule gave what was left to the largest corpus of all."""
    within, roles = sides(general, domain)
    before = {
        name: round(weight * (r if roles[name] == DOMAIN else 1 - r), 12) for name, weight in within.items()
    }
    largest = max(before, key=lambda name: before[name])
    before[largest] = round(1 - sum(share for name, share in before.items() if name != largest), 12)
    of_domain = sum((decimal(before[name]) for name in roles if roles[name] == DOMAIN), Decimal(0))
    exact = of_domain == decimal(round(r, 12)) and sum(map(decimal, before.values()), Decimal(0)) == 1
    if exact:
        assert shares_at(within, roles, r) == before


def test_three_equal_corpora_at_nine_tenths() -> None:
    within, roles = sides([1.0], [1.0, 1.0, 1.0])
    shares = shares_at(within, roles, 0.9)
    assert shares == {
        "general0": 0.1,
        "domain0": 0.3000000006,
        "domain1": 0.2999999997,
        "domain2": 0.2999999997,
    }
