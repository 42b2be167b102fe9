from __future__ import annotations

import numpy as np
import pytest

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.mixture import MixturePhase, MixtureSpec
from dcpt.corpus.batches import BatchReader, heldout_windows, heldout_windows_available
from dcpt.corpus.sampler import MixtureSampler
from dcpt.corpus.shards import open_corpus


@pytest.fixture
def corpora(make_corpus):
    return {"g": open_corpus(make_corpus("g")), "d": open_corpus(make_corpus("d", "domain", train=501))}


def sampler_for(corpora, context, r=0.25, block=8):
    spec = MixtureSpec(
        {"g": "general", "d": "domain"}, (MixturePhase(0, {"g": 1 - r, "d": r}),), seed=3, block=block
    )
    return MixtureSampler(spec, {name: corpus.n_windows(context) for name, corpus in corpora.items()})


def test_a_batch_is_the_windows_the_sampler_names(corpora):
    sampler = sampler_for(corpora, 10)
    reader = BatchReader(corpora, sampler, context=10, batch=8)
    for step in (1, 2, 7):
        tokens = reader.batch(step)
        assert tokens.shape == (8, 11)
        assert tokens.dtype == np.int64
        corpus, window = sampler.sequences((step - 1) * 8, 8)
        for row, place, index in zip(tokens, corpus, window, strict=True):
            stream = corpora[sampler.names[place]].train
            assert row.tolist() == stream[index * 10 : index * 10 + 11].tolist()


def test_batches_do_not_depend_on_what_was_read_before(corpora):
    one = BatchReader(corpora, sampler_for(corpora, 10), 10, 8)
    other = BatchReader(corpora, sampler_for(corpora, 10), 10, 8)
    for step in range(1, 12):
        one.batch(step)
    assert (one.batch(12) == other.batch(12)).all()


def test_misfits_are_refused(corpora):
    sampler = sampler_for(corpora, 10)
    with pytest.raises(ConfigError, match="made for 50"):
        BatchReader(corpora, sampler, context=20, batch=8)
    with pytest.raises(ConfigError, match="corpus d of the mixture is missing"):
        BatchReader({"g": corpora["g"]}, sampler, 10, 8)
    with pytest.raises(ConfigError, match="batch is 0"):
        BatchReader(corpora, sampler, 10, 0)
    with pytest.raises(ConfigError, match="step is 0"):
        BatchReader(corpora, sampler, 10, 8).batch(0)


def test_heldout_windows_are_evenly_spaced_and_always_the_same(corpora):
    windows = heldout_windows(corpora["g"], context=5, count=10)
    assert windows.shape == (10, 6)
    assert (np.diff(windows[:, 0]) == 10).all()
    assert (windows == heldout_windows(corpora["g"], 5, 10)).all()
    assert heldout_windows(corpora["g"], 5, 1000).shape == (20, 6)
    assert heldout_windows_available(corpora["g"].info, 5) == 20
    assert heldout_windows_available(corpora["g"].info, 1000) == 0
    assert heldout_windows(corpora["g"], 10, 4, split="train")[0, 0] == 0


def test_too_few_heldout_windows_are_refused(corpora):
    with pytest.raises(DataError, match="has 5 windows of 20 tokens"):
        heldout_windows(corpora["g"], 20, 10)
