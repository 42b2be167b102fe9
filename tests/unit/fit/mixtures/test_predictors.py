"""What every fitted predictor must do, and what each must recover."""

from __future__ import annotations

import json
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
    ProcessPredictor,
)
from dcpt.fit.mixtures.bimix import OFFSET, own_corpora
from dcpt.fit.mixtures.predictor import FittedPredictor, cross_fit
from dcpt.fit.mixtures.predictor_file import predictor_from_dict
from dcpt.fit.mixtures.ridge import fit_ridge
from tests.unit.fit.mixtures.conftest import CORPORA, curved, exponential, make_table

RECIPES = {
    "process": ProcessPredictor(),
    "process of the loss": ProcessPredictor("log", log=False),
    "log ridge": AdditiveRidge("log"),
    "power ridge": AdditiveRidge("power"),
    "exponential": ExponentialPredictor(),
    "bimix": BimixPredictor({"t0": "web", "t1": "code"}),
    "trees": BoostedTreesPredictor(trees=20),
}
INSIDE = np.array([[0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4], [0.25, 0.25, 0.25, 0.25]])


@pytest.fixture(scope="module", params=RECIPES)
def fitted(request, smooth_table):
    if request.param == "trees":
        pytest.importorskip("lightgbm")
    return RECIPES[request.param].fit(smooth_table)


def test_shapes_signs_and_spread(fitted):
    assert isinstance(fitted, FittedPredictor)
    mean, sd = fitted.mean(INSIDE), fitted.sd(INSIDE)
    assert mean.shape == sd.shape == (3, 2)
    assert (sd >= fitted.sd(INSIDE, noise=False)).all()
    assert (fitted.sd(INSIDE, noise=False) > 0).all()
    assert fitted.mean({"web": 0.4, "law": 0.3, "code": 0.2, "news": 0.1}) == pytest.approx(mean[[0]])
    assert fitted.mean(INSIDE[1]) == pytest.approx(mean[[1]])


def test_gradient_is_that_of_the_mean(fitted):
    gradient = fitted.gradient(INSIDE)
    if gradient is None:
        assert fitted.name == "boosted-trees"
        return
    steps = 1e-6 * np.eye(4)
    numeric = np.stack(
        [(fitted.mean(INSIDE + step) - fitted.mean(INSIDE - step)) / 2e-6 for step in steps], axis=2
    )
    assert gradient == pytest.approx(numeric, abs=2e-5)


def test_draws_are_functions_with_the_spread_of_the_expected_loss(fitted):
    drawn = fitted.draws(INSIDE, 3000, seed=5)
    assert drawn.shape == (3000, 3, 2)
    assert fitted.draws(INSIDE[[1]], 3000, seed=5)[:, 0] == pytest.approx(drawn[:, 1], abs=1e-10)
    sd = fitted.sd(INSIDE, noise=False)
    assert np.abs(drawn.mean(axis=0) - fitted.mean(INSIDE)) == pytest.approx(0 * sd, abs=0.1 * sd.max())
    assert drawn.std(axis=0) == pytest.approx(sd, rel=0.07 if fitted.name.startswith("process") else 0.15)


def test_a_file_predicts_the_same(fitted):
    again = predictor_from_dict(json.loads(json.dumps(fitted.to_dict(), allow_nan=False)))
    for ask in (
        lambda one: one.mean(INSIDE),
        lambda one: one.sd(INSIDE),
        lambda one: one.draws(INSIDE, 3, 1),
    ):
        assert ask(again) == pytest.approx(ask(fitted), abs=1e-12)


def test_mixtures_asked_for_are_checked(fitted):
    with pytest.raises(ConfigError, match=r"'legal' is unknown; wanted web, law, code, news"):
        fitted.mean({"legal": 1.0})
    with pytest.raises(ConfigError, match=r"mixture 2: shares .* sum to 100"):
        fitted.mean([[0.4, 0.3, 0.2, 0.1], [40, 30, 20, 10]])
    with pytest.raises(ConfigError, match="wanted 4 per mixture"):
        fitted.sd([0.5, 0.5])


@pytest.mark.parametrize(
    ("document", "message"),
    [({"kind": "pickle"}, "kind is 'pickle'"), ({"kind": "ridge"}, "is missing"), ({}, "kind is None")],
)
def test_foreign_documents_are_refused(document, message):
    with pytest.raises(DataError, match=message):
        predictor_from_dict(document)


def test_exponential_law_is_recovered_exactly():
    fitted = ExponentialPredictor().fit(make_table(exponential, runs=25))
    assert fitted.level == pytest.approx([1.8, 2.2], abs=1e-4)
    far = np.random.default_rng(9).dirichlet(np.ones(4), 50)
    assert fitted.mean(far) == pytest.approx(exponential(far), abs=1e-5)
    published = fitted.level + fitted.scale * np.exp(far @ fitted.slopes.T)
    assert published == pytest.approx(fitted.mean(far), abs=1e-12)
    assert fitted.slopes.sum(axis=1) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("kind", ["log", "power"])
def test_additive_truths_are_recovered(kind):
    def truth(shares):
        base = shares + 0.01
        columns = np.log(base) if kind == "log" else np.sqrt(base)
        return 3.0 + columns @ np.array([[-0.1], [-0.02], [0.0], [0.03]])

    far = np.random.default_rng(9).dirichlet(np.ones(4), 50)
    assert AdditiveRidge(kind).fit(make_table(truth, runs=25)).mean(far) == pytest.approx(
        truth(far), abs=2e-4
    )


def test_ridge_leaves_runs_out_in_closed_form():
    generator = np.random.default_rng(0)
    features, losses = generator.standard_normal((20, 3)), generator.standard_normal((20, 2))
    ridge = fit_ridge(features, losses, penalties=(1e-10,))
    rest = np.arange(20) != 7
    left = fit_ridge(features[rest], losses[rest], penalties=(1e-10,))
    assert losses[7] - left.mean(features[[7]])[0] == pytest.approx(ridge.left_out[7], abs=1e-6)


def test_ridge_is_that_of_scikit_learn():
    linear = pytest.importorskip("sklearn.linear_model")
    generator = np.random.default_rng(0)
    features = generator.standard_normal((30, 4))
    losses = features @ generator.standard_normal((4, 2)) + generator.standard_normal((30, 2))
    unit = np.linalg.svd(features - features.mean(axis=0), compute_uv=False)[0] ** 2
    theirs = linear.Ridge(alpha=0.1 * unit).fit(features, losses)
    assert fit_ridge(features, losses, penalties=(0.1,)).mean(features) == pytest.approx(
        theirs.predict(features)
    )


def test_bimix_recovers_its_law_with_tokens():
    def truth(shares):
        tokens = np.resize([1e8, 4e8, 1.6e9], len(shares))
        falling = 40 * tokens**-0.25 + 1.5
        return np.stack([(shares[:, column] + OFFSET) ** -0.12 * falling for column in (0, 2)], axis=1)

    tokens = np.resize([1e8, 4e8, 1.6e9], 60)
    table = make_table(truth, runs=60, targets=("loss/web", "loss/code"), D=tokens)
    fitted = BimixPredictor().fit(table)
    assert fitted.own.tolist() == [0, 2]
    assert fitted.theta[:, 0] == pytest.approx(0.12, abs=1e-5)
    assert fitted.theta[:, 3] == pytest.approx(0.25, abs=1e-4)
    assert fitted.D == 1.6e9
    share = np.array([[0.3, 0.2, 0.4, 0.1]])
    expected = (0.3 + OFFSET) ** -0.12 * (40 * 6.4e9**-0.25 + 1.5)
    assert fitted.at_tokens(6.4e9).mean(share)[0, 0] == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ConfigError, match="one number of tokens"):
        BimixPredictor().fit(make_table(curved)).at_tokens(1e9)


def test_targets_find_their_corpus_by_words():
    corpora = ("train_the_pile_pubmed_central", "train_the_pile_pubmed_abstracts", "train_the_pile_arxiv")
    targets = ("metric/the_pile_arxiv_val_loss", "metric/the_pile_pubmed_central_val_loss", "average")
    table = make_table(lambda shares: 1 + shares, corpora=corpora, targets=targets)
    assert own_corpora(table) == [2, 0, -1]
    assert own_corpora(table, {"average": corpora[1]}) == [2, 0, 1]
    with pytest.raises(ConfigError, match="corpus 'x' is unknown"):
        BimixPredictor({"average": "x"}).fit(table)


def test_repeated_mixtures_tell_noise_from_misfit():
    table = make_table(curved, runs=30)
    twice = MixtureTable(
        CORPORA,
        table.targets,
        np.vstack([table.shares, table.shares]),
        np.vstack([table.losses, table.losses]) + 0.02 * np.random.default_rng(1).standard_normal((60, 2)),
        tuple(map(str, range(60))),
    )
    scatter = AdditiveRidge("log").fit(twice).scatter
    assert np.sqrt(scatter.noise) == pytest.approx(0.02, rel=0.35)
    once = AdditiveRidge("log").fit(table).scatter
    assert (once.noise == 0).all()
    process = ProcessPredictor().fit(twice)
    noise = np.sqrt([one.hyper.noise for one in process.processes]) * [loss.spread for loss in process.losses]
    assert noise * table.losses.mean(axis=0) == pytest.approx(0.02, rel=0.35)


def test_many_runs_are_held_out_without_refits_and_unseen_by_the_hyper_parameters():
    table = make_table(curved, runs=320, noise=0.003)
    folds = np.arange(320) % 8
    fitted, held = cross_fit(ProcessPredictor(), table, folds)
    assert 100 <= held.held.sum() <= 160
    assert np.isnan(held.mean[~held.held]).all()
    error = np.abs(held.mean - table.losses)[held.held]
    assert error.mean() < 0.006
    assert np.isfinite(fitted.mean(INSIDE)).all()


def test_too_few_runs_are_refused_with_a_sentence():
    table = make_table(curved, runs=3)
    for name in ("log ridge", "exponential", "bimix", "trees"):
        with pytest.raises(FitError, match="got 3 runs; wanted at least"):
            RECIPES[name].fit(table)


def test_trees_without_the_library_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(ConfigError, match="lightgbm is not installed") as caught:
        BoostedTreesPredictor().fit(make_table(curved, runs=60))
    assert "dcpt[mixtures]" in str(caught.value)
