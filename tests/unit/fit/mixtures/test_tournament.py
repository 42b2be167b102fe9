"""Which predictor is chosen, what is said about it, and whether its intervals hold."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from dcpt.core.errors import ConfigError, DataError, FitError
from dcpt.core.mixture_table import MixtureTable
from dcpt.fit.mixtures import (
    AdditiveRidge,
    BimixPredictor,
    BoostedTreesPredictor,
    ExponentialPredictor,
    choose,
    load_mixtures,
)
from dcpt.fit.mixtures.combine import combine
from dcpt.fit.mixtures.folds import mixture_folds
from dcpt.fit.mixtures.scores import score
from tests.unit.fit.mixtures.conftest import CORPORA, curved, exponential, make_table

CHEAP = (AdditiveRidge("log"), AdditiveRidge("power"), ExponentialPredictor())


@pytest.fixture(scope="module")
def chosen(smooth_table):
    return choose(smooth_table)


def test_a_truth_without_a_law_is_predicted_by_the_process(chosen):
    assert chosen.choice.tried[0].name.startswith("process")
    assert "process" in chosen.name
    names = {item.name for item in chosen.choice.tried}
    assert {"log-ridge", "power-ridge", "exponential", "bimix"} <= names
    far = make_table(curved, runs=300, seed=7, noise=0.003)
    error = np.abs(chosen.mean(far.shares) - far.losses)
    assert error.mean() < 0.012
    low, high = chosen.interval(far.shares)
    assert 0.82 <= ((low <= far.losses) & (far.losses <= high)).mean() <= 0.98
    assert chosen.coverage == pytest.approx(0.9, abs=0.05)


def test_an_exponential_truth_is_predicted_by_its_law():
    table = make_table(exponential, runs=30, noise=0.004)
    fit = choose(table, candidates=CHEAP)
    assert fit.choice.tried[0].name == "exponential"
    far = np.random.default_rng(3).dirichlet(np.ones(4), 100)
    assert np.abs(fit.mean(far) - exponential(far)).mean() < 0.004


def test_an_additive_truth_is_predicted_by_its_ridge():
    truth = lambda shares: 3.0 - np.log(shares + 0.01) @ np.array([[0.1], [0.02], [0.0], [-0.03]])  # noqa: E731
    fit = choose(make_table(truth, runs=30, noise=0.004), candidates=CHEAP)
    assert fit.choice.tried[0].name == "log-ridge"


def test_two_of_a_kind_tie():
    fit = choose(
        make_table(exponential, runs=20, noise=0.01), candidates=[CHEAP[2], ExponentialPredictor((0.5,))]
    )
    assert [item.tie for item in fit.choice.tried] == [True, True]
    assert fit.choice.ties == ("exponential", "exponential")
    assert "ties with the best" in str(fit.choice)


def test_targets_may_have_predictors_of_their_own():
    def truth(shares):
        other = 3.0 - np.log(shares + 0.01) @ np.array([0.1, 0.02, 0.0, -0.03])
        return np.column_stack([exponential(shares)[:, 0], other])

    fit = choose(make_table(truth, runs=60, noise=0.002), candidates=[CHEAP[0], CHEAP[2]])
    names = [part.name for part in fit.parts]
    assert fit.choice.way in ("one per target", "weights per target")
    assert fit.weights[names.index("exponential"), 0] > 0.8
    assert fit.weights[names.index("log-ridge"), 1] > 0.8


def test_weights_are_those_of_the_least_error():
    generator = np.random.default_rng(0)
    measured = generator.standard_normal((200, 2))
    noise = generator.standard_normal((2, 200, 2))
    predicted = measured + noise * np.array([0.1, 0.2])[:, None, None]
    found = combine(predicted, measured, np.arange(200) % 5, np.array([True, False]))
    # Independent errors: weights go as inverse variances, 0.8 and 0.2.
    assert found.way == "weights"
    assert found.weights[:, 0] == pytest.approx([0.8, 0.2], abs=0.06)
    assert found.weights.sum(axis=0) == pytest.approx(1)
    alone = combine(predicted[:1], measured, np.arange(200) % 5, np.array([True]))
    assert alone.weights.tolist() == [[1.0, 1.0]]


def test_a_fit_survives_its_file(chosen, tmp_path):
    path = chosen.write(tmp_path / "mixtures.json")
    again = load_mixtures(path)
    ask = np.random.default_rng(1).dirichlet(np.ones(4), 20)
    assert again.mean(ask) == pytest.approx(chosen.mean(ask), abs=1e-12)
    assert again.draws(ask, 5, 2) == pytest.approx(chosen.draws(ask, 5, 2), abs=1e-12)
    assert again.choice == chosen.choice
    assert again.name == chosen.name
    text = path.read_text()
    path.write_text(text.replace('"weights"', '"heights"', 1))
    with pytest.raises(DataError, match="field 'weights' of a fit of mixtures is missing"):
        load_mixtures(path)
    path.write_text(text.replace('"corpora": [\n  "web"', '"corpora": [\n  "wob"', 1))
    with pytest.raises(DataError, match="other corpora or targets"):
        load_mixtures(path)


def test_the_average_keeps_the_protocol(chosen):
    ask = np.array([[0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]])
    drawn = chosen.draws(ask, 3000, 1)
    assert drawn.std(axis=0) == pytest.approx(chosen.sd(ask, noise=False), rel=0.15)
    assert chosen.draws(ask[[1]], 3000, 1)[:, 0] == pytest.approx(drawn[:, 1])
    gradient = chosen.gradient(ask)
    step = np.array([0, 1e-6, 0, 0])
    numeric = (chosen.mean(ask + step) - chosen.mean(ask - step)) / 2e-6
    assert gradient[:, :, 1] == pytest.approx(numeric, abs=1e-4)
    with pytest.raises(ConfigError, match=r"level is 1\.5"):
        chosen.interval(ask, 1.5)


def test_mixtures_beyond_the_fitted_ones_are_named():
    table = make_table(exponential, runs=30)
    some = table.rows(table.shares[:, 0] < 0.5)
    fit = choose(some, candidates=CHEAP[:1])
    assert fit.outside([[0.9, 0.1, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]]).tolist() == [True, False]


def test_the_seed_and_the_order_of_targets_do_not_change_a_deterministic_fit():
    table = make_table(exponential, runs=24, noise=0.01)
    one = choose(table, candidates=CHEAP[2:])
    two = choose(table.only(table.targets[::-1]), candidates=CHEAP[2:])
    assert one.mean(table.shares) == pytest.approx(two.mean(table.shares)[:, ::-1], abs=1e-12)
    assert one.stretch == pytest.approx(two.stretch[::-1], abs=1e-12)


def test_runs_of_several_tokens_are_left_to_bimix():
    tokens = np.resize([1e8, 1e9], 40)
    truth = lambda shares: (shares[:, :1] + 1e-3) ** -0.1 * (20 * tokens[:, None] ** -0.2 + 1.5)  # noqa: E731
    fit = choose(make_table(truth, noise=0.003, targets=("web",), D=tokens))
    assert fit.name == "bimix"
    assert any("tokens" in line for line in fit.warnings)


def test_runs_of_several_sizes_are_refused():
    table = make_table(curved, N=np.resize([1e6, 6e7], 40))
    with pytest.raises(DataError, match="2 sizes N; wanted one") as caught:
        choose(table)
    assert "fit_transfer" in str(caught.value)


def test_too_few_mixtures_are_refused():
    few = make_table(curved, runs=5)
    with pytest.raises(FitError, match="5 distinct mixtures; wanted at least 6"):
        choose(few)
    same = MixtureTable(CORPORA, few.targets, few.shares[[0] * 5], few.losses, few.index)
    with pytest.raises(FitError, match="1 distinct mixtures"):
        choose(same, candidates=CHEAP)


def test_losses_that_say_nothing_are_doubted():
    noise = lambda shares: np.random.default_rng(5).normal(3.0, 0.1, (len(shares), 1))  # noqa: E731
    fit = choose(make_table(noise, runs=30), candidates=CHEAP)
    assert any("explain little" in line for line in fit.warnings)


def test_without_lightgbm_the_others_race_on(monkeypatch, smooth_table):
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    fit = choose(smooth_table, candidates=[BoostedTreesPredictor(), CHEAP[2], BimixPredictor()])
    trees = next(item for item in fit.choice.tried if item.name == "boosted-trees")
    assert trees.score is None
    assert "not installed" in trees.dropped
    with pytest.raises(FitError, match="no predictor could be fitted"):
        choose(smooth_table, candidates=[BoostedTreesPredictor()])


def test_folds_keep_repeats_together():
    table = make_table(curved, runs=20)
    twice = MixtureTable(
        CORPORA,
        table.targets,
        np.vstack([table.shares] * 2),
        np.vstack([table.losses] * 2),
        tuple(map(str, range(40))),
    )
    folds = mixture_folds(twice, 6)
    assert (folds[:20] == folds[20:]).all()
    assert np.bincount(folds).tolist() == [8, 8, 6, 6, 6, 6]


def test_scores_state_what_they_say():
    measured = np.array([[3.0], [2.0], [2.5], [2.8], [2.2], [2.9]])
    predicted = np.array([[2.9], [2.4], [2.1], [2.8], [2.3], [3.0]])
    found = score(predicted, np.full((6, 1), 0.1), measured)
    assert found.mae == pytest.approx(np.mean([0.1, 0.4, 0.4, 0, 0.1, 0.1]))
    assert found.regret == pytest.approx(0.5)
    # The five predicted best: all but the run predicted worst.
    assert found.optimism == pytest.approx(np.mean([0.1, -0.4, 0.4, 0, -0.1]))
    assert found.coverage == pytest.approx(4 / 6)
    assert found.spearman == pytest.approx(1 - 6 * (1 + 4 + 9 + 0 + 0 + 1 + 1) / 210, abs=0.2)
    assert score(measured, np.ones((6, 1)), measured).r2 == 1.0
