"""Coverage of hold-outs is counted with the interval that a fit of the rest alone would state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dcpt.fit import holdout
from dcpt.fit.dataset import prepare
from dcpt.fit.holdout import _log_noise, score_holdouts
from dcpt.fit.space import free_space
from dcpt.fit.splits import make_splits
from dcpt.laws import get_law


def rows(make, bend=0.0, **options):
    data, _ = prepare(make(noise=0.002, law="chinchilla", **options), "domain")
    size = np.log(data.N / data.N.min())
    return replace(data, loss=data.loss * np.exp(bend * size**2))


def test_noise_holds_the_error_of_extrapolation_beyond_the_rest_only(make):
    law = get_law("chinchilla")
    data = rows(make, bend=0.005)
    for split in make_splits(data):
        noise = _log_noise(law, data.take(~split.out), data.take(split.out), free_space(law), 1e-3, 0.002)
        if split.kind == "ratio":
            np.testing.assert_allclose(noise, 0.002)
        else:
            assert (noise > 0.002).all()


def test_intervals_widened_by_the_rest_s_own_miss_cover_more(make, monkeypatch):
    # A law without the bend in N misses the largest size by more than its scatter; it missed the next
    # one too when that was left out, and says so.
    law = get_law("chinchilla")
    data = rows(make, bend=0.01, sizes=(0.1e6, 0.2e6, 0.4e6, 0.8e6, 1.6e6, 3.2e6))

    def covered():
        scores, _ = score_holdouts(law, data, free_space(law), 1e-3, 60, 0)
        own = {item.kind: item for item in scores if item.model == "chinchilla"}
        assert own["largest N"].rms_log > 0.01
        return own["largest N"].coverage

    widened = covered()
    monkeypatch.setattr(holdout, "_log_noise", lambda *args: np.full(len(args[2]), args[-1]))
    assert widened > covered() + 0.3


def test_coverage_inside_the_data_is_near_the_level(make):
    form = get_law("chinchilla")
    hits = []
    for seed in range(4):
        scores, _ = score_holdouts(form, rows(make, seed=seed), free_space(form), 1e-3, 60, 0)
        hits += [item.coverage for item in scores if item.model == "chinchilla" and item.kind == "ratio"]
    assert 0.8 < np.mean(hits) <= 1.0
