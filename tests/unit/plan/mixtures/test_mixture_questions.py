"""What can be asked about a mixture, and what is said to bad questions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dcpt.core.errors import ConfigError
from dcpt.laws.data_constrained import effective_tokens
from dcpt.plan.mixtures.goal import goal_weights
from dcpt.plan.mixtures.make_region import make_region, resolved
from dcpt.plan.mixtures.names import short_names
from dcpt.plan.mixtures.pool import make_pool
from dcpt.plan.mixtures.question import MixtureQuestion
from dcpt.plan.mixtures.repetition import Repetition
from dcpt.plan.mixtures.share_rule import ShareRule
from dcpt.plan.mixtures.side_targets import side_targets, single_targets

CORPORA = ("pile_cc", "c4", "wiki", "books")


def test_rules_are_read_as_people_write_them() -> None:
    assert ShareRule.parse("web = pile_cc + c4 <= 60%") == ShareRule(
        name="web", corpora=("pile_cc", "c4"), high=0.6
    )
    assert ShareRule.parse("books = 0.05") == ShareRule(name="books", corpora=("books",), low=0.05, high=0.05)
    assert ShareRule.parse("10% <= wiki <= .3") == ShareRule(
        name="wiki", corpora=("wiki",), low=0.1, high=0.3
    )
    for text in ("web = pile_cc + c4 <= 0.6", "0.1 <= wiki <= 0.3", "books = 0.05", "wiki >= 0.2"):
        assert str(ShareRule.parse(text)) == text


def test_names_are_found_without_what_they_share() -> None:
    files = ["metric/the_pile_arxiv_val_loss", "metric/the_pile_pile_cc_val_loss"]
    assert short_names(files) == ("arxiv", "pile_cc")
    assert short_names(["wiki", "wiki_old"]) == ("wiki", "wiki_old")
    weights, worst = goal_weights("3*arxiv + pile_cc", files)
    assert weights == {files[0]: 0.75, files[1]: 0.25}
    assert not worst


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"shares": ["wiki >= 0.6", "books >= 0.5"]}, "the least shares sum to 1.1"),
        (
            {"shares": ["wiki <= 0.2", "books <= 0.2", "c4 <= 0.2", "pile_cc <= 0.2"]},
            "greatest shares sum to 0.8",
        ),
        ({"shares": ["wiki >= 0.4", "wiki <= 0.3"]}, "0.4 at least and 0.3 at most"),
        ({"shares": ["wiki + books <= 0.3", "wiki >= 0.2", "books >= 0.2"]}, "would have to give 0.1"),
        ({"shares": ["wikki >= 0.1"]}, "did you mean 'wiki'"),
        ({"shares": ["wiki => 0.1"]}, "wanted a rule on the shares"),
        ({"shares": ["wiki <= 110%"]}, "wanted a number from 0 to 1"),
        ({"keep": ["wikki <= 3"]}, "did you mean 'wiki'"),
        ({"keep": ["wiki < 3"]}, "wanted a limit on a target"),
        ({"pools": {"wiki": 0}, "tokens": "1B"}, "wanted a positive number"),
        ({"epochs": 4}, "wanted pools"),
        ({"epochs": {"books": 4}, "pools": {"wiki": "1B"}, "tokens": "1B"}, "its pool is not given"),
        ({"replay": 0.2}, "wanted their names in general"),
        ({"against": "now"}, "wanted it in now"),
        ({"minimize": "wiki"}, "did you mean 'minimise'"),
        (
            {"pools": dict.fromkeys(CORPORA, "1B"), "tokens": "40B"},
            "raise the epochs",
        ),
    ],
)
def test_bad_questions_get_a_sentence(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_region(resolved(MixtureQuestion.of(fields), CORPORA, ("wiki", "code")), CORPORA)
    assert said in str(caught.value)


def test_pools_and_replay_become_bounds() -> None:
    fields = {"pools": {"wiki": "1B"}, "tokens": "20B", "general": "pile_cc + c4", "replay": 0.25}
    region = make_region(resolved(MixtureQuestion.of(fields), CORPORA, ("x",)), CORPORA)
    assert region.high[2] == pytest.approx(4 * 1 / 20)  # four epochs by default
    pool = make_pool(region, np.random.default_rng(0).dirichlet(np.ones(4), 30), 0)
    assert region.contains(pool).all()
    assert (pool[:, :2].sum(axis=1) >= 0.25 - 1e-9).all()
    assert np.ptp(pool, axis=0).min() > 0.15  # spread over the region, not drawn into its middle
    everything = MixtureQuestion.of(fields).model_dump(mode="json", exclude_none=True)
    assert MixtureQuestion.of(everything) == MixtureQuestion.of(fields)


def test_a_region_of_one_mixture() -> None:
    rules = ["pile_cc = 0.4", "c4 = 0.3", "wiki = 0.2", "books = 0.1"]
    region = make_region(resolved(MixtureQuestion.of({"shares": rules}), CORPORA, ("x",)), CORPORA)
    np.testing.assert_allclose(region.pull(np.full((2, 4), 0.25)), [[0.4, 0.3, 0.2, 0.1]] * 2, atol=1e-9)


def test_repeated_tokens_count_as_the_data_constrained_law_says() -> None:
    """Worth of a pool's tokens: D' of Muennighoff et al. 2023; slopes against finite differences."""
    repetition = Repetition.of({"wiki": 1e9, "books": 5e9}, CORPORA, 20e9, 15.387756, 0.05)
    shares = np.array([[0.3, 0.1, 0.4, 0.2]])
    worth, _ = repetition.worth(shares)
    assert worth[0, 2] * 20e9 == pytest.approx(float(effective_tokens(8e9, 1e9)), rel=1e-9)
    assert worth[0, 3] == pytest.approx(0.2)  # 0.8 epochs
    assert worth[0, 0] == 0.3  # unlimited

    def loss(x: Any) -> Any:
        shown, lost = repetition.seen(x)
        return (shown**2).sum(axis=1) + lost

    shown, _ = repetition.seen(shares)
    slope = repetition.chain(shares, (2 * shown)[:, None, :])[0, 0]
    steps = 1e-6 * np.eye(4)
    numeric = (loss(shares + steps) - loss(shares - steps)) / 2e-6
    np.testing.assert_allclose(slope, numeric, atol=1e-6)


def test_sides_stand_for_their_losses() -> None:
    """A side is its pooled loss, or that of its only corpus; the rest is the sweep's own question."""
    corpora, sides = ("wiki", "law", "code"), ("general", "domain", "domain")
    targets = (*corpora, "domain")
    stand = side_targets(targets, corpora, sides)
    assert stand == {"general": ("wiki",), "domain": ("domain",)}
    assert single_targets(targets, corpora, sides) == ["wiki", "law", "code"]
    full = resolved(MixtureQuestion(), corpora, targets, sides, ["general <= +2%"])
    assert (full.minimise, [str(limit) for limit in full.limits]) == ("domain", ["wiki <= +2%"])
    assert resolved(MixtureQuestion(keep=()), corpora, targets, sides, ["general <= +2%"]).limits == ()
    assert resolved(MixtureQuestion.of({"replay": 0.1}), corpora, targets, sides).general == ("wiki",)
    assert resolved(MixtureQuestion(), corpora, targets).minimise == "mean"
    assert goal_weights("mean", targets, stand, corpora)[0] == pytest.approx(dict.fromkeys(corpora, 1 / 3))
    unpooled = side_targets(corpora, corpora, sides)
    weights, _ = goal_weights("3*domain + wiki", corpora, unpooled)
    assert weights == pytest.approx({"law": 0.375, "code": 0.375, "wiki": 0.25})
    with pytest.raises(ConfigError, match="'domain' has no pooled loss; wanted a limit on each of law, code"):
        resolved(MixtureQuestion.of({"keep": "domain <= 3"}), corpora, corpora, sides)


def test_a_question_in_python_and_in_a_file_are_one(tmp_path: Path) -> None:
    (tmp_path / "q.yaml").write_text("minimise: wiki\nkeep: general <= +2%\nshares: books <= 5%\n")
    read = MixtureQuestion.read(tmp_path / "q.yaml")
    assert read == MixtureQuestion(minimise="wiki", keep="general <= +2%", shares=["books <= 0.05"])
    with pytest.raises(ConfigError, match="level"):
        MixtureQuestion(level=2.0)
