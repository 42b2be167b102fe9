"""The tournament: the true law wins or ties, a wrong one loses by more than chance."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from dcpt.core.errors import ConfigError, FitError
from dcpt.core.loss_table import LossTable
from dcpt.fit.dataset import prepare
from dcpt.fit.tournament import OVERALL, rank_laws, run_tournament
from dcpt.laws.law import Law, linear, nonlinear


class Twin(Law):
    """The Chinchilla law under another name and in another order."""

    name = "twin"
    formula = "B*D**-beta + A*N**-alpha + E"
    reference = "Hoffmann et al. 2022, arXiv:2203.15556"
    E = linear(0.0, 20.0, "irreducible loss")
    A = linear(0.0, 1e6, "loss of a model of one unit of size")
    B = linear(0.0, 1e6, "loss after one unit of tokens")
    alpha = nonlinear(1e-3, 3.0, "size exponent")
    beta = nonlinear(1e-3, 3.0, "token exponent")


@pytest.fixture(scope="module")
def mixture(make):
    """Losses of a D-CPT truth on both sides: four sizes, five ratios."""
    return make(noise=0.002, run_noise=0.002, seed=1, sets=("general", "domain"))


@pytest.fixture(scope="module")
def judged(mixture):
    return run_tournament(mixture, laws=("d-cpt", "chinchilla"))


def test_the_true_law_wins_and_the_blind_one_loses_by_more_than_chance(judged):
    for eval_set in ("general", "domain"):
        assert judged.winner(eval_set) == "d-cpt"
        rows = judged.ranking(eval_set).set_index("model")
        assert rows.loc["chinchilla", "lo"] > 0
        assert not rows.loc["chinchilla", "tie"]
        assert "chinchilla" not in judged.tied(eval_set)
        for kind in ("largest N", "ratio", "largest D"):
            names = (judged.winner(eval_set, kind), *judged.tied(eval_set, kind))
            assert "d-cpt" in names


def test_two_equal_laws_tie(make):
    table = make(noise=0.003, seed=2, law="chinchilla")
    judged = run_tournament(table, laws=("chinchilla", Twin()))
    rows = judged.ranking("domain").set_index("model")
    assert {"chinchilla", "twin"} == set(rows.index[:2])
    assert abs(rows.loc["twin", "mae"] - rows.loc["chinchilla", "mae"]) < 1e-6
    assert rows.loc[["twin", "chinchilla"], "tie"].all()
    assert rows.loc["constant", "lo"] > 0


def test_a_law_with_more_freedom_than_the_truth_needs_does_not_win_by_more_than_chance(make):
    table = make(noise=0.003, run_noise=0.002, seed=3, law="chinchilla")
    judged = run_tournament(table, laws=("chinchilla", "d-cpt"))
    assert "chinchilla" in (judged.winner("domain"), *judged.tied("domain"))


def test_the_frame_is_ranked_averaged_and_honest(judged):
    frame = judged.frame
    for _, part in frame.groupby(["eval_set", "kind"]):
        assert list(part["rank"]) == list(range(1, len(part) + 1))
        assert part["mae"].is_monotonic_increasing
        np.testing.assert_allclose(part["difference"], part["mae"] - part["mae"].iloc[0], atol=1e-15)
        assert ((part["lo"] <= part["difference"]) & (part["difference"] <= part["hi"])).all()
        assert (part["tie"] == (part["lo"] <= 0)).all()
    errors = frame.pivot_table(index=["eval_set", "model"], columns="kind", values="mae")
    kinds = [kind for kind in errors if kind != OVERALL]
    np.testing.assert_allclose(errors[OVERALL], errors[kinds].mean(axis=1))
    dcpt = frame[frame["model"] == "d-cpt"]
    assert (dcpt["mae"] > dcpt["mae_fitted"]).mean() > 0.5
    assert (dcpt["unconverged"] == 0).all()


def test_the_same_call_gives_the_same_answer_in_any_order_of_rows(make):
    table = make(noise=0.003)
    one = run_tournament(table, laws=("chinchilla",))
    two = run_tournament(table, laws=("chinchilla",))
    assert one.frame.equals(two.frame)
    mixed = LossTable(table.frame.sample(frac=1, random_state=0).reset_index(drop=True))
    three = run_tournament(mixed, laws=("chinchilla",))
    np.testing.assert_allclose(three.frame["mae"], one.frame["mae"], rtol=1e-6)
    np.testing.assert_allclose(three.frame["hi"], one.frame["hi"], rtol=1e-6)


def test_laws_that_cannot_be_judged_are_said(mixture):
    class Wants(Twin):
        """A law of a column the table does not have."""

        name = "wants"
        formula = "E + A*N**-alpha + B*D**-beta*U**0"
        reference = "none"

    class DomainOnly(Twin):
        """A law of the domain loss."""

        name = "domain-only"
        sides = ("domain",)

    judged = run_tournament(mixture, ["general"], laws=("chinchilla", Wants(), DomainOnly()))
    assert "U" in judged.refused["wants on general"]
    assert "domain loss" in judged.refused["domain-only on general"]
    assert set(judged.frame.loc[judged.frame["law"], "model"]) == {"chinchilla"}
    assert "wants" in judged.summary()
    with pytest.raises(FitError, match="no law could be judged on general"):
        run_tournament(mixture, ["general"], laws=(Wants(),))


def test_a_split_that_a_law_cannot_bear_takes_it_off_that_kind_only(make):
    judged = run_tournament(make(noise=0.002, sizes=(1e6, 3e6)), laws=("d-cpt", "chinchilla"))
    assert "one model size only" in judged.refused["d-cpt on domain, largest N"]
    assert "d-cpt" not in set(judged.ranking("domain", "largest N")["model"])
    assert judged.winner("domain", "ratio") == "d-cpt"
    assert "d-cpt" not in set(judged.ranking("domain")["model"])


def test_summary_and_json(judged):
    text = judged.summary()
    assert "least error: d-cpt" in text
    assert text.count("mean absolute error") == 2
    document = json.loads(json.dumps(judged.to_dict(), allow_nan=False))
    assert document["schema_version"] == 1
    assert document["winners"]["domain"][OVERALL]["model"] == "d-cpt"
    assert len(document["rows"]) == len(judged.frame)


def test_mistakes_are_said(mixture, judged):
    with pytest.raises(ConfigError, match="unknown"):
        run_tournament(mixture, laws=("d-cptt",))
    with pytest.raises(ConfigError, match="hold-out 'D' is unknown"):
        run_tournament(mixture, splits=("D",))
    with pytest.raises(ConfigError, match="level is 90"):
        run_tournament(mixture, level=90)
    with pytest.raises(ConfigError, match="'law' was not judged"):
        judged.winner("law")
    with pytest.raises(ConfigError, match="'largets N'"):
        judged.winner("domain", "largets N")


def test_rows_of_several_domains_can_be_stacked(make):
    # Six domains with a level of their own: a law without domains errs by about their spread on those
    # left out, whichever two they are.
    parts = []
    rng = np.random.default_rng(0)
    for code, shift in enumerate(rng.normal(0, 0.1, 6)):
        data, _ = prepare(make(noise=0.002, seed=code, law="chinchilla"), "domain")
        extra = {**data.extra, "domain": np.full(len(data), float(code))}
        parts.append(
            replace(data, loss=data.loss * np.exp(shift), groups=data.groups + 100 * code, extra=extra)
        )
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ["N", "D", "r", "s", "loss", "groups"]
    }
    extra = {name: np.concatenate([part.extra[name] for part in parts]) for name in parts[0].extra}
    judged = rank_laws(replace(parts[0], **columns, extra=extra), ("chinchilla",), ("domain pair",))
    rows = judged.ranking("domain").set_index("model")
    assert rows.loc["chinchilla", "splits"] == 15
    assert 0.03 < rows.loc["chinchilla", "mape"] < 0.2
    assert rows.loc["chinchilla", "mae"] < rows.loc["constant", "mae"]
