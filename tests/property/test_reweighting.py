"""What holds for every update and every history of updates."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcpt.core.mixture import MixturePhase, MixtureSpec
from dcpt.core.mixture_reweighting import ReweightingSpec
from dcpt.core.mixture_update import updated_shares, whole_sequences
from dcpt.core.run_spec import from_dict, to_dict
from dcpt.corpus.sampler import MixtureSampler

NAMES = ("g1", "d1", "d2", "g2", "d3")
LOSS = st.floats(0.01, 12)


@st.composite
def cases(draw, most=5, bounded=True):
    """A rule, a prior, losses of some evaluations, and the sequences between updates."""
    names = NAMES[: draw(st.integers(2, most))]
    parts = [draw(st.integers(1, 20)) for _ in names]
    prior = {name: part / sum(parts) for name, part in zip(names, parts, strict=True)}
    sequences = draw(st.integers(len(names) * 4, 300))
    bounds = {}
    if bounded:
        for name in draw(st.sets(st.sampled_from(names), max_size=2)):
            # a floor of at most 1/4 for two, and a ceiling of at least 3/4: always within reach
            bounds[name] = (draw(st.integers(0, 25)) / 100, draw(st.integers(75, 100)) / 100)
    rule = ReweightingSpec(
        every=1,
        strength=draw(st.floats(0, 20)),
        window=draw(st.integers(1, 4)),
        pooling=draw(st.sampled_from(("sum", "mean"))),
        bounds=bounds,
    )
    rule.check_run(prior, names, 1, sequences, 1)
    losses = draw(st.lists(st.fixed_dictionaries(dict.fromkeys(names, LOSS)), min_size=1, max_size=6))
    return rule, prior, losses, sequences


@given(cases())
@settings(max_examples=150, deadline=None)
def test_shares_are_on_the_simplex_within_the_bounds_and_whole_to_one_sequence(case) -> None:
    rule, prior, losses, sequences = case
    shares = updated_shares(rule, prior, losses, losses[0], sequences)
    assert sum(shares.values()) == 1
    counts = whole_sequences(shares, sequences, {})
    assert sum(counts.values()) == sequences
    for name, share in shares.items():
        least, most = (Fraction(repr(bound)) for bound in rule.bounds.get(name, (0.0, 1.0)))
        assert least <= share <= most
        assert least * sequences <= counts[name] <= most * sequences
        assert abs(counts[name] - share * sequences) < 1


@given(cases(), st.floats(0, 5))
@settings(max_examples=80, deadline=None)
def test_a_loss_added_to_every_corpus_changes_nothing_where_rows_of_affinity_have_one_sum(case, more) -> None:
    """True of the identity and of every matrix with equal row sums; not of `relative` or `by_progress`."""
    rule, prior, losses, sequences = case
    shifted = [{name: loss + more for name, loss in row.items()} for row in losses]
    spread = {i: {j: 1.0 if i == j else 0.25 for j in prior} for i in prior}
    for one in (rule, replace(rule, affinity=spread)):
        before = updated_shares(one, prior, losses, losses[0], sequences)
        after = updated_shares(one, prior, shifted, shifted[0], sequences)
        assert {n: float(p) for n, p in after.items()} == pytest.approx(
            {n: float(p) for n, p in before.items()}, abs=1e-9
        )


@given(cases(), st.floats(0, 5))
@settings(max_examples=80, deadline=None)
def test_a_higher_loss_never_lowers_a_share_and_old_losses_do_not_count(case, more) -> None:
    rule, prior, losses, sequences = case
    before = updated_shares(rule, prior, losses, losses[0], sequences)
    name = next(iter(prior))
    harder = [*losses[:-1], {**losses[-1], name: losses[-1][name] + more}]
    after = updated_shares(rule, prior, harder, losses[0], sequences)
    assert after[name] >= before[name] - Fraction(1, 10**12)
    assert updated_shares(rule, prior, losses[-rule.window :], losses[0], sequences) == before


@st.composite
def histories(draw):
    """A mixture that changed every two blocks, its shares whole sequences of those."""
    names = NAMES[: draw(st.integers(2, 5))]
    block = draw(st.integers(1, 12))
    phases = []
    for place in range(draw(st.integers(1, 6))):
        cuts = sorted(draw(st.integers(0, 2 * block)) for _ in names[1:])
        counts = np.diff([0, *cuts, 2 * block]).tolist()
        phases.append(
            MixturePhase(2 * block * place, {n: c / (2 * block) for n, c in zip(names, counts, strict=True)})
        )
    roles = {name: "general" if name.startswith("g") else "domain" for name in names}
    rule = ReweightingSpec(1, 0.5)
    return MixtureSpec(roles, tuple(phases), draw(st.integers(0, 5)), block, reweighting=rule)


@given(histories(), st.integers(3, 40))
@settings(max_examples=80, deadline=None)
def test_every_segment_holds_its_shares_exactly_and_no_window_comes_twice_too_early(spec, windows) -> None:
    sampler = MixtureSampler(spec, dict.fromkeys(spec.roles, windows))
    length = 2 * spec.block
    seen = {name: [] for name in sampler.names}
    for phase in spec.phases:
        corpus, window = sampler.sequences(phase.start, length)
        for place, name in enumerate(sampler.names):
            assert (corpus == place).sum() == round(phase.shares[name] * length)
            seen[name] += window[corpus == place].tolist()
    total = length * len(spec.phases)
    assert sampler.counts(total) == {name: len(found) for name, found in seen.items()}
    for name, found in seen.items():
        assert abs(sampler.target(total)[name] - len(found)) < Fraction(1, 10**6)
        for first in range(0, len(found), windows):
            epoch = found[first : first + windows]
            assert len(set(epoch)) == len(epoch)
    domain = sum(len(seen[name]) for name in seen if spec.roles[name] == "domain")
    assert sampler.r_seen(0, total) == domain / total


@given(histories(), st.integers(0, 30))
@settings(max_examples=60, deadline=None)
def test_what_was_drawn_before_an_update_does_not_depend_on_it(spec, offset) -> None:
    windows = dict.fromkeys(spec.roles, 50)
    whole = MixtureSampler(spec, windows)
    for kept in range(1, len(spec.phases)):
        start = spec.phases[kept].start
        before = MixtureSampler(replace(spec, phases=spec.phases[:kept]), windows)
        for one, other in zip(before.sequences(0, start), whole.sequences(0, start), strict=True):
            assert (one == other).all()
        part = min(offset, start)
        assert before.counts(part) == whole.counts(part)


@given(histories(), st.integers(1, 100))
@settings(max_examples=60, deadline=None)
def test_shares_that_stay_the_same_draw_what_a_fixed_mixture_draws(spec, count) -> None:
    first = spec.phases[0]
    windows = dict.fromkeys(spec.roles, 30)
    stays = replace(spec, phases=tuple(replace(phase, shares=first.shares) for phase in spec.phases))
    fixed = MixtureSampler(replace(spec, phases=(first,), reweighting=None), windows)
    still = MixtureSampler(stays, windows)
    for one, other in zip(fixed.sequences(0, count), still.sequences(0, count), strict=True):
        assert (one == other).all()


@given(cases())
@settings(max_examples=30, deadline=None)
def test_a_rule_survives_json(case) -> None:
    rule = case[0]
    assert from_dict(ReweightingSpec, json.loads(json.dumps(to_dict(rule))), "rule") == rule
