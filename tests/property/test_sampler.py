from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcpt.core.errors import ConfigError
from dcpt.core.mixture import MixturePhase, MixtureSpec
from dcpt.corpus.apportion import Apportionment
from dcpt.corpus.sampler import MixtureSampler
from dcpt.corpus.shuffle import Permutation

SHARES = st.integers(0, 100).map(lambda percent: percent / 100)


def two(r, seed=0, block=16, **more):
    phase = MixturePhase(0, {"g": 1 - r, "d": r})
    return MixtureSpec({"g": "general", "d": "domain"}, (phase,), seed, block, **more)


@st.composite
def many(draw):
    names = ["g1", "g2", "d1", "d2", "d3"][: draw(st.integers(1, 5))]
    starts = sorted({0, *draw(st.lists(st.integers(1, 200), max_size=3))})
    phases = []
    for start in starts:
        parts = draw(st.lists(st.integers(0, 9), min_size=len(names), max_size=len(names)).filter(any))
        total = sum(parts)
        phases.append(MixturePhase(start, {n: p / total for n, p in zip(names, parts, strict=True)}))
    roles = {name: "general" if name.startswith("g") else "domain" for name in names}
    return MixtureSpec(roles, tuple(phases), draw(st.integers(0, 5)), draw(st.integers(1, 40)))


@given(many(), st.integers(0, 400))
@settings(max_examples=80, deadline=None)
def test_counts_sum_to_n_grow_and_give_nothing_to_a_share_of_zero(spec, n):
    split = Apportionment(spec)
    now, then = split.counts(n), split.counts(n + 1)
    assert sum(now) == n
    assert sum(later - early for early, later in zip(now, then, strict=True)) == 1
    assert all(later >= early for early, later in zip(now, then, strict=True))
    phase = max((p for p in spec.phases if p.start <= n), key=lambda p: p.start)
    grown = split.names[[later - early for early, later in zip(now, then, strict=True)].index(1)]
    assert phase.shares[grown] > 0


@given(many(), st.integers(0, 400))
@settings(max_examples=80, deadline=None)
def test_domain_side_is_within_half_a_sequence_for_any_phases(spec, n):
    split = Apportionment(spec)
    counts, target = split.counts(n), split.target(n)
    domain = [place for place, name in enumerate(split.names) if spec.roles[name] == "domain"]
    off = sum(counts[place] for place in domain) - sum(target[place] for place in domain)
    assert abs(off) <= Fraction(1, 2)
    assert abs(sum(target) - n) == 0


@given(SHARES, st.integers(0, 10**9))
@settings(deadline=None)
def test_two_corpora_get_the_decimal_share_to_half_a_sequence(r, n):
    counts = Apportionment(two(r)).counts(n)
    assert abs(counts[0] - Fraction(str(r)) * n) <= Fraction(1, 2)


def test_a_tenth_of_ten_million_is_exactly_a_million():
    assert Apportionment(two(0.1)).counts(10_000_000) == (1_000_000, 9_000_000)


@given(many())
@settings(max_examples=40, deadline=None)
def test_blocks_hold_the_apportioned_counts_and_phases_do_not_mix(spec):
    sampler = MixtureSampler(spec, dict.fromkeys(spec.roles, 50))
    split = Apportionment(spec)
    for index in range(3):
        corpus, _ = sampler.block(index)
        first, last = index * spec.block, (index + 1) * spec.block
        wanted = np.subtract(split.counts(last), split.counts(first))
        assert (np.bincount(corpus, minlength=len(spec.roles)) == wanted).all()
        for offset, place in enumerate(corpus):
            phase = max((p for p in spec.phases if p.start <= first + offset), key=lambda p: p.start)
            assert phase.shares[sampler.names[place]] > 0


@given(many(), st.integers(0, 150), st.integers(0, 150))
@settings(max_examples=40, deadline=None)
def test_counts_are_what_the_sequences_hold_at_any_point(spec, first, count):
    sampler = MixtureSampler(spec, dict.fromkeys(spec.roles, 50))
    corpus, window = sampler.sequences(first, count)
    before, after = sampler.counts(first), sampler.counts(first + count)
    seen = np.bincount(corpus, minlength=len(spec.roles))
    assert [after[name] - before[name] for name in sampler.names] == seen.tolist()
    alone = MixtureSampler(spec, dict.fromkeys(spec.roles, 50))
    parts = [alone.sequences(first + offset, 1) for offset in reversed(range(count))][::-1]
    assert [int(part[0][0]) for part in parts] == corpus.tolist()
    assert [int(part[1][0]) for part in parts] == window.tolist()


@given(st.integers(1, 3000), st.integers(0, 2**64 - 1))
@settings(max_examples=60, deadline=None)
def test_a_permutation_is_a_bijection_with_random_access(size, key):
    order = Permutation(size, key)
    whole = order(np.arange(size))
    assert (np.sort(whole) == np.arange(size)).all()
    assert order([size // 2])[0] == whole[size // 2]


def test_a_permutation_is_spread_evenly():
    # 500 keys: the element that lands first is uniform over 10 bins; chi-square with 9 degrees of freedom
    # passes 27.9 with probability 0.001.
    firsts = [int(Permutation(1000, key)([0])[0]) // 100 for key in range(500)]
    counts = np.bincount(firsts, minlength=10)
    assert ((counts - 50) ** 2 / 50).sum() < 27.9
    # Neighbours in the order are not neighbours in the text: the rank correlation of a random order of
    # n = 4096 has a standard deviation of 1 / sqrt(n) = 0.016.
    order = Permutation(4096, 1)(np.arange(4096))
    assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < 0.06
    assert abs(np.corrcoef(order, np.arange(4096))[0, 1]) < 0.06


def windows_of(sampler, name, count):
    corpus, window = sampler.sequences(0, count)
    return window[corpus == sampler.names.index(name)].tolist()


@given(st.integers(1, 60), st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_no_window_repeats_before_its_pool_is_used_up_and_epochs_differ(pool, seed):
    sampler = MixtureSampler(two(1.0, seed), {"g": 0, "d": pool})
    windows = windows_of(sampler, "d", 3 * pool)
    epochs = [windows[start : start + pool] for start in (0, pool, 2 * pool)]
    assert all(sorted(epoch) == list(range(pool)) for epoch in epochs)
    assert sampler.epochs(3 * pool) == {"d": 3.0, "g": 0.0}
    if pool >= 20:
        assert epochs[0] != epochs[1] != epochs[2]


@given(SHARES.filter(lambda r: 0 < r < 1), SHARES.filter(lambda r: 0 < r < 1), st.integers(0, 9))
@settings(max_examples=30, deadline=None)
def test_the_order_of_a_corpus_does_not_depend_on_the_share(low, high, seed):
    size = {"g": 500, "d": 300}
    one = windows_of(MixtureSampler(two(low, seed), size), "d", 320)
    other = windows_of(MixtureSampler(two(high, seed), size), "d", 320)
    shorter = min(len(one), len(other))
    assert one[:shorter] == other[:shorter]


def test_domain_places_in_a_block_are_nested_across_shares():
    size = {"g": 500, "d": 500}
    few = MixtureSampler(two(0.25), size).block(0)[0] == 0
    more = MixtureSampler(two(0.5), size).block(0)[0] == 0
    assert few.sum() == 4
    assert more.sum() == 8
    assert not (few & ~more).any()


@given(st.integers(1, 99), st.integers(0, 3), st.integers(4, 7))
@settings(max_examples=40, deadline=None)
def test_what_the_base_used_is_held_back(used, base_seed, seed):
    size = {"g": 100, "d": 100}
    base = windows_of(MixtureSampler(two(0.0, base_seed), size), "g", used)
    later = MixtureSampler(two(0.0, seed, skip={"g": used}, skip_seed=base_seed), size)
    fresh = windows_of(later, "g", 100 - used)
    assert sorted(base + fresh) == list(range(100))


@given(st.integers(1, 100), st.integers(1, 100), st.integers(0, 60), st.integers(0, 5), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_a_smaller_supply_is_part_of_a_larger_one_whatever_the_seeds(one, other, skip, seed, other_seed):
    def supply(limit, run_seed):
        spec = two(1.0, run_seed, limit={"d": limit}, skip={"d": skip})
        sampler = MixtureSampler(spec, {"g": 0, "d": 100})
        assert sampler.pools["d"] == min(limit, 100 - skip)
        return set(windows_of(sampler, "d", sampler.pools["d"]))

    small, large = sorted((one, other))
    assert supply(small, seed) <= supply(large, other_seed)
    assert len(supply(small, seed)) == min(small, 100 - skip)


def test_seeds_give_other_orders():
    size = {"g": 200, "d": 200}
    assert windows_of(MixtureSampler(two(0.5, 1), size), "d", 64) != windows_of(
        MixtureSampler(two(0.5, 2), size), "d", 64
    )


def test_r_seen_of_whole_blocks_is_the_share_asked_for():
    sampler = MixtureSampler(two(0.3, block=100), {"g": 5000, "d": 5000})
    assert sampler.r_seen(0, 1000) == 0.3
    assert sampler.r_seen(100, 200) == 0.3
    with pytest.raises(ConfigError, match="at least one"):
        sampler.r_seen(5, 5)


@pytest.mark.parametrize(
    ("spec", "windows", "words"),
    [
        (two(0.5), {"g": 10}, "no number of windows for corpus d"),
        (two(0.5), {"g": 10, "d": 0}, "corpus d has no window left"),
        (two(0.5, skip={"g": 10}), {"g": 10, "d": 5}, "corpus g has no window left"),
        (two(0.5, skip={"x": 1}), {"g": 10, "d": 5}, "skip names x"),
        (two(0.5, limit={"d": 0}), {"g": 10, "d": 5}, "limit of corpus d is 0"),
        (two(0.5, skip={"d": -1}), {"g": 10, "d": 5}, "skip of corpus d is -1"),
    ],
)
def test_impossible_mixtures_are_refused(spec, windows, words):
    with pytest.raises(ConfigError, match=words):
        MixtureSampler(spec, windows)


def test_an_empty_corpus_without_a_share_is_fine():
    sampler = MixtureSampler(two(0.0), {"g": 10, "d": 0})
    assert sampler.counts(20) == {"d": 0, "g": 20}
