"""RegMix's 1M runs (Liu et al. 2024, arXiv:2407.01492): 17 corpora, 13 losses, 512 runs and 256 others.

What boosted trees alone make of them: `python -m benchmarks.mixtures --data FOLDER --only boosted-trees`.
"""

from __future__ import annotations

import numpy as np
import pytest

from dcpt.fit.mixtures import choose, read_mixtures
from dcpt.fit.mixtures.mixture_files import align
from dcpt.fit.mixtures.scores import score


@pytest.fixture(scope="module")
def runs(shared):
    folder = shared / "losses" / "regmix_1m"
    if not folder.is_dir():
        pytest.skip("RegMix's tables are not beside this checkout")
    train, _ = read_mixtures(folder, "train")
    return train, align(read_mixtures(folder, "test")[0], train)


def test_512_runs_predict_256_others(runs):
    train, test = runs
    fit = choose(train)
    found = score(fit.mean(test.shares), fit.sd(test.shares), test.losses)
    assert len(train) == 512
    assert found.runs == 256
    assert found.mae <= 0.046
    assert found.r2 >= 0.987
    assert 0.87 <= found.coverage <= 0.96
    # Held-out folds promise no more than the other runs keep.
    assert fit.choice.chosen.mae >= found.mae - 0.003


def test_64_runs_rank_256_others(runs):
    train, test = runs
    some = train.rows(np.sort(np.random.default_rng(0).permutation(len(train))[:64]))
    fit = choose(some)
    found = score(fit.mean(test.shares), fit.sd(test.shares), test.losses)
    assert found.mae <= 0.09
    assert found.spearman >= 0.98
    assert 0.85 <= found.coverage <= 0.97
