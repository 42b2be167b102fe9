"""Replay against size at equal FLOPs per new token."""

from __future__ import annotations

import numpy as np
import pytest

from dcpt.core.errors import ConfigError
from dcpt.plan.allocation.replay_or_size import replay_or_size
from dcpt.plan.supply.drawn_law import DrawnLaw
from dcpt.plan.supply.question import Limit, Question, Term


@pytest.fixture(scope="module")
def question_at(synthetic):
    fits = {side: synthetic.fit_of(side, draws=50) for side in ("general", "domain")}

    def at(N):
        laws = {side: DrawnLaw(side, fit, N, np.arange(50)) for side, fit in fits.items()}
        return Question((Term(laws["domain"]),), (Limit(laws["general"], 3.4),))

    return at


def test_every_share_costs_the_same_per_new_token(question_at, synthetic):
    frame = replay_or_size(question_at, 3.6e6, 0.5e6)
    np.testing.assert_allclose(6 * frame["N"] / (1 - frame["replay"]), 3.6e6)
    np.testing.assert_allclose(frame["D"] * frame["r"], 0.5e6)
    fit = synthetic.fit_of("general", draws=2)
    np.testing.assert_allclose(frame["general"], fit.mean(frame["N"], frame["D"], frame["r"]))
    np.testing.assert_array_equal(frame["feasible"], frame["general"] <= 3.4)


def test_differences_are_paired_and_tighter_than_losses(question_at):
    frame = replay_or_size(question_at, 3.6e6, 0.5e6)
    assert (frame.loc[0, ["domain_change", "domain_change_lo", "domain_change_hi"]] == 0).all()
    later = frame.iloc[1:]
    np.testing.assert_allclose(later["domain_change"], later["domain"] - frame["domain"][0])
    paired = later["domain_change_hi"] - later["domain_change_lo"]
    assert (paired < later["domain_hi"] - later["domain_lo"]).all()
    assert (later["value_change_lo"] <= later["value_change"]).all()


def test_mistakes_are_named(question_at):
    with pytest.raises(ConfigError, match="at least one share"):
        replay_or_size(question_at, 3.6e6, 0.5e6, ())
    with pytest.raises(ConfigError, match="from 0 to below 1"):
        replay_or_size(question_at, 3.6e6, 0.5e6, (1.0,))
