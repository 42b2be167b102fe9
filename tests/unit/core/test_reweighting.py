"""Skill-It's update against numbers worked by hand; what a rule refuses."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import exp

import pytest

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.mixture import MixturePhase, MixtureSpec
from dcpt.core.mixture_affinity import estimate_affinity
from dcpt.core.mixture_reweighting import ReweightingSpec
from dcpt.core.mixture_update import bounded_shares, updated_shares, whole_sequences

TWO = {"a": 0.5, "b": 0.5}


def shares_of(rule, prior, recent=(), first=None, sequences=1000):
    found = updated_shares(rule, prior, recent, first or (recent[0] if recent else {}), sequences)
    assert sum(found.values()) == 1
    return {name: float(share) for name, share in found.items()}


def test_prior_and_window_by_hand() -> None:
    """S = (3, 5, 2) over the last two; prior exp(S/2) = 2.240845, 3.654748, 0.543656 of 6.439249."""
    recent = [{"a": 9, "b": 9, "c": 0.1}, {"a": 2, "b": 3, "c": 1}, {"a": 1, "b": 2, "c": 1}]
    found = shares_of(ReweightingSpec(10, 0.5, window=2), {"a": 0.5, "b": 0.3, "c": 0.2}, recent)
    assert found == pytest.approx({"a": 0.347998, "b": 0.567574, "c": 0.084428}, abs=1e-6)


def test_affinity_by_hand() -> None:
    """Gains are 0.4 (2 + 0.5) = 1 and 0.4; at the start, with losses of 1, 0.6 and 0.4."""
    rule = ReweightingSpec(10, 0.4, affinity={"a": {"a": 1, "b": 0.5}, "b": {"b": 1}})
    assert shares_of(rule, TWO, [{"a": 2, "b": 1}])["a"] == pytest.approx(1 / (1 + exp(-0.6)))
    assert shares_of(rule, TWO)["a"] == pytest.approx(1 / (1 + exp(-0.2)))
    assert shares_of(ReweightingSpec(10, 0.4), {"a": 0.3, "b": 0.7}) == {"a": 0.3, "b": 0.7}


def test_targets_mean_and_normalisations_by_hand() -> None:
    """Only a counts: its losses over the first are 1 and 1/2, mean 3/4; its first over its last is 2."""
    recent = [{"a": 4.0, "b": 1.0}, {"a": 2.0, "b": 9.0}]
    rule = ReweightingSpec(10, 0.4, targets=("a",), pooling="mean", relative=True)
    assert shares_of(rule, TWO, recent)["a"] == pytest.approx(1 / (1 + exp(-0.4 * 0.75)))
    rising = replace(rule, by_progress=True)
    assert shares_of(rising, TWO, recent)["a"] == pytest.approx(1 / (1 + exp(-2 * 0.4 * 0.75)))


def test_a_floor_for_replay_is_kept_in_whole_sequences() -> None:
    rule = ReweightingSpec(10, 50.0, bounds={"a": (0.25, 1.0)})
    recent = [{"a": 1.0, "b": 3.0}]
    assert shares_of(rule, TWO, recent, sequences=8) == {"a": 0.25, "b": 0.75}
    assert shares_of(rule, TWO, recent, sequences=10) == {"a": 0.3, "b": 0.7}
    # 0.3 of 10 is 3 and not 4, although 0.3 * 10 is above 3 in floating point
    assert replace(rule, bounds={"a": (0.3, 0.3)}).limits(TWO, 10)["a"] == (3, 3)


def test_bounded_shares_by_hand() -> None:
    """c stands on its floor; the rest, 7/10, is parted 1 : 3 until b meets its ceiling."""
    weights = {"a": Fraction(1), "b": Fraction(3), "c": Fraction(1, 10)}
    least = {"a": Fraction(0), "b": Fraction(0), "c": Fraction(3, 10)}
    most = dict.fromkeys("abc", Fraction(1))
    found = bounded_shares(weights, least, most)
    assert found == {"a": Fraction(7, 40), "b": Fraction(21, 40), "c": Fraction(3, 10)}
    found = bounded_shares(weights, least, {**most, "b": Fraction(1, 2)})
    assert found == {"a": Fraction(1, 5), "b": Fraction(1, 2), "c": Fraction(3, 10)}


def test_rounding_pays_back_what_it_owes() -> None:
    shares = {"a": Fraction(5, 12), "b": Fraction(7, 12)}
    assert whole_sequences(shares, 6, {}) == {"a": 3, "b": 3}
    assert whole_sequences(shares, 6, {"a": Fraction(1, 2), "b": Fraction(-1, 2)}) == {"a": 3, "b": 3}
    assert whole_sequences(shares, 6, {"a": Fraction(-1, 2), "b": Fraction(1, 2)}) == {"a": 2, "b": 4}


def test_affinity_from_runs_on_one_corpus_each() -> None:
    """Drops on law: 1, -0.1; on code: 0.1, 0.5; on news: 0.01 each, which is noise."""
    before = {"law": 3.0, "code": 4.0, "news": 2.0}
    after = {
        "law": {"law": 2.0, "code": 3.9, "news": 1.99},
        "code": {"law": 3.1, "code": 3.5, "news": 1.99},
    }
    found = estimate_affinity(before, after, least_drop=0.02)
    assert found["law"] == pytest.approx({"law": 1.0, "code": 0.2})
    assert found["code"] == {"code": 1.0}
    ReweightingSpec(10, 0.4, affinity=found).check_mixture({"law": 0.5, "code": 0.5})
    with pytest.raises(DataError, match=r"'news' is 2\.0 before and None"):
        estimate_affinity(before, {"law": {"law": 2.0, "code": 3.9}})
    with pytest.raises(DataError, match="no loss fell"):
        estimate_affinity(before, {"law": before})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"strength": -0.1}, "strength is -0.1"),
        ({"strength": float("nan")}, "strength is nan"),
        ({"window": 0}, "window is 0"),
        ({"every": 0}, "every is 0"),
        ({"pooling": "max"}, "sum or mean"),
        ({"bounds": {"a": (0.5, 0.2)}}, "bounds of a"),
        ({"bounds": {"x": (0.0, 0.2)}}, "bounds name 'x'"),
        ({"bounds": {"zero": (0.1, 0.2)}}, "least share of zero"),
        ({"affinity": {"a": {"a": -1.0}}}, "affinity of a to a"),
        ({"affinity": {"a": {"a": 1.0}}}, "no row for 'b'"),
    ],
)
def test_what_a_rule_refuses(changes, words) -> None:
    with pytest.raises(ConfigError, match=words):
        MixtureSpec(
            {"a": "general", "b": "domain", "zero": "general"},
            (MixturePhase(0, {"a": 0.5, "b": 0.5, "zero": 0.0}),),
            seed=1,
            block=8,
            reweighting=ReweightingSpec(**{"every": 10, "strength": 0.5, **changes}),
        )


@pytest.mark.parametrize(
    ("changes", "run", "words"),
    [
        ({}, {"evaluated": 4}, "updates every 10 steps, evaluations every 4"),
        ({}, {"evaluated": 0}, "evaluations every 0"),
        ({}, {"block": 32}, "80 sequences between updates, 32 in a block"),
        ({}, {"measured": ["a"]}, "no loss of corpus 'b'"),
        ({"targets": ("c",)}, {}, "no loss of corpus 'c'"),
        ({"bounds": {"a": (0.6, 1), "b": (0.5, 1)}}, {}, "ask for at least 88 and allow 160"),
        ({"bounds": {"a": (0, 0.3), "b": (0, 0.5)}}, {}, "at least 0 and allow 64"),
        ({"bounds": {"a": (0.301, 0.302)}}, {}, "leave none for a"),
    ],
)
def test_what_does_not_fit_a_run_is_refused(changes, run, words) -> None:
    rule = ReweightingSpec(**{"every": 10, "strength": 0.5, **changes})
    with pytest.raises(ConfigError, match=words):
        rule.check_run(
            **{"prior": TWO, "measured": ["a", "b"], "evaluated": 5, "batch": 8, "block": 8, **run}
        )


def test_the_largest_share_a_corpus_can_get() -> None:
    roles = {"a": "general", "b": "domain", "c": "domain"}
    phase = MixturePhase(0, {"a": 0.5, "b": 0.5, "c": 0.0})
    fixed = MixtureSpec(roles, (phase,), 1, 8)
    assert fixed.largest_shares == {"a": 0.5, "b": 0.5, "c": 0.0}
    free = replace(fixed, reweighting=ReweightingSpec(10, 0.5, bounds={"a": (0.25, 0.6)}))
    assert free.largest_shares == {"a": 0.6, "b": 0.75, "c": 0.0}


def test_losses_that_cannot_be_read_are_named() -> None:
    rule = ReweightingSpec(10, 0.5)
    with pytest.raises(DataError, match="corpus 'b'"):
        updated_shares(rule, TWO, [{"a": 1.0}], {"a": 1.0}, 80)
    with pytest.raises(DataError, match="corpus 'a'"):
        updated_shares(rule, TWO, [{"a": float("inf"), "b": 1.0}], {"a": 1.0, "b": 1.0}, 80)
    zero = [{"a": 0.0, "b": 0.0}]
    assert shares_of(rule, TWO, zero) == TWO
    for change in ({"relative": True}, {"by_progress": True}):
        with pytest.raises(DataError, match="0"):
            shares_of(replace(rule, **change), TWO, zero)
