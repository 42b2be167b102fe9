"""Questions that cannot be meant, and laws that cannot be right: a sentence, a hint, never a plain answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dcpt.core.errors import ConfigError
from dcpt.core.loss_table import LossTable
from dcpt.fit.fit import fit_table
from dcpt.fit.fit_file import FitSet, load_fits
from dcpt.plan.make_plan import make_plan
from dcpt.plan.objective import Objective
from dcpt.plan.plan import Plan
from dcpt.plan.unlikely import fitted_losses
from dcpt.plan.what_if import what_if
from dcpt.sweep.corpus_settings import SweepCorpus, source_of

STAND_IN_CORPUS = SweepCorpus.model_validate(
    {
        "name": "web",
        "role": "general",
        "stand_in": True,
        "source": {"kind": "jsonl", "path": "web.jsonl", "column": "text"},
    }
)
AT = {"N": 0.5e6, "D": 1e6}
LAW_CPU = Path(__file__).resolve().parents[3] / "fits" / "law_cpu"


def said(plan: Plan, kind: str) -> str:
    return " ".join(item.message for item in plan.caveats if item.kind == kind)


@pytest.fixture(scope="module")
def fits(synthetic) -> FitSet:
    return synthetic.fits(spread=0.001, noise=0.001, held_out=0.002)


# -- losses and limits beyond any model ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "message", "hint"),
    [
        ({"keep": "general <= +2%", "general_now": 341}, "given as 341 nats; the fitted", "perhaps 3.41"),
        ({"keep": "general <= +2%", "general_now": 0.34}, "given as 0.34 nats", "perhaps 3.4 was"),
        (
            {"keep": "general <= +2%", "general_now": 30},
            "given as 30 nats",
            "3.401, the loss at a perplexity",
        ),
        ({"keep": "general <= 240"}, "'general <= 240' allows a loss of 240 nats", "perhaps 2.4"),
        ({"keep": "general <= +20", "general_now": 3.4}, "allows a loss of 23.4 nats", "'general <= +20%'"),
    ],
)
def test_what_no_model_has_is_refused_with_what_was_meant(fits, asked, message, hint) -> None:
    low, high = fitted_losses(fits.best("general"))
    assert 3 < low < high < 4
    for ask in (make_plan, lambda fits, asked: what_if(fits, asked, "D")):
        with pytest.raises(ConfigError) as caught:
            ask(fits, Objective.of({**AT, **asked}))
        assert message in caught.value.message
        assert hint in str(caught.value.hint)


@pytest.mark.parametrize(
    ("asked", "kind", "hint"),
    [
        ({"keep": "general <= +2", "general_now": 3.4}, "idle_limit", "perhaps 'general <= +2%' was meant"),
        ({"keep": "general <= +200%", "general_now": 3.4}, "idle_limit", "perhaps 'general <= +2%' was"),
        ({"keep": "general <= 9"}, "idle_limit", "it limits nothing"),
        (
            {"keep": "general <= -1%", "general_now": 6.8},
            "base_unlikely",
            "evaluation set, tokenizer and unit",
        ),
        ({"keep": "general <= -1%", "general_now": 6.8}, "idle_limit", "see that the loss before"),
    ],
)
def test_what_is_possible_and_hardly_meant_is_a_doubt(fits, asked, kind, hint) -> None:
    plan = make_plan(fits, Objective.of({**AT, **asked}))
    assert hint in said(plan, kind)
    assert plan.verdict == "doubtful"


def test_a_limit_that_is_merely_generous_is_no_doubt(fits) -> None:
    highest = float(fits.best("general").mean(0.5e6, 1e6, 0.9)[0])
    plan = make_plan(fits, Objective.of({**AT, "keep": f"general <= {1.1 * highest:.4f}"}))
    assert said(plan, "idle_limit") == said(plan, "base_unlikely") == ""


@pytest.mark.parametrize(
    ("factor", "said_of"), [(0.76, "24 % less"), (0.95, ""), (1.05, ""), (1.2, "20 % more")]
)
def test_a_given_base_is_held_against_the_bases_of_the_proxies(synthetic, factor, said_of) -> None:
    """A base a quarter better than its size leads one to expect is used, and said to be surprising."""
    expected = synthetic.base_loss(0.5e6)
    asked = {**AT, "keep": "general <= 3.4", "general_now": round(factor * expected, 4)}
    plan = make_plan(synthetic.fits(), Objective.of(asked), synthetic.table())
    doubt = said(plan, "base_unlikely")
    assert (said_of in doubt) if said_of else doubt == ""
    if said_of:
        about = float(doubt.split("the fits say about ")[1].split(" for a base of 500k")[0])
        assert about == pytest.approx(expected, rel=2e-3)  # the bases of the table carry noise
        assert "evaluation set, tokenizer and unit" in doubt
        assert plan.base.value == asked["general_now"]  # never put aside


def test_a_base_in_bits_is_told_as_one(synthetic) -> None:
    bits = synthetic.base_loss(0.5e6) / np.log(2)
    asked = {**AT, "keep": "general <= -1%", "general_now": round(bits, 3)}
    plan = make_plan(synthetic.fits(), Objective.of(asked), synthetic.table())
    assert f"in bits per token it would be {synthetic.base_loss(0.5e6):.4g}"[:-1] in said(
        plan, "base_unlikely"
    )


def test_mistakes_in_python_are_told_as_those_in_files() -> None:
    """The constructor and the reader of files find the same mistake in the same words."""
    good = {"N": 1e9, "D": 1e9, "keep": "general <= +2%"}
    for change, named in (
        ({"N": -1}, "N: got -1; wanted a positive number such as 7B."),
        ({"keep": "general <= lots"}, "keep: got 'general <= lots'; wanted a limit on the general loss."),
        ({"levl": 0.8}, "unknown key 'levl'."),
        ({"r_min": 0}, "r_min is 0.0; wanted a domain share between 0 and 1, the ends left out"),
        ({"pools": {"domain": 0}}, "pools: got {'domain': 0}; the domain pool holds no tokens"),
        ({"budget": {"flops": -1}, "N": None}, "budget: got {'flops': -1}; the budget's flops is -1"),
    ):
        errors = []
        for make in (lambda fields: Objective(**fields), Objective.of):
            with pytest.raises(ConfigError) as caught:
                make({**good, **change})
            errors.append(caught.value)
        python, file = errors
        assert python.message.partition(": ")[2].startswith(named)
        assert python.message.partition(": ")[2] == file.message.partition(": ")[2]
        assert python.hint == file.hint
        assert "pydantic" not in str(python)
    assert Objective(**good) == Objective.of(good)


# -- laws that run the wrong way, or nowhere -------------------------------------------------------------


@pytest.mark.parametrize("names", [("d-cpt",), ("base-surface", "d-cpt")])
def test_swapped_sides_are_noticed_whatever_the_law(synthetic, names) -> None:
    """The domain's losses given as the general side's and the other way round."""
    frame = synthetic.table().frame
    other = {"general": "domain", "domain": "general"}
    swapped = LossTable.from_frame(
        frame.assign(eval_set=frame["eval_set"].map(other), role=frame["role"].map(other))
    )
    fitted = fit_table(swapped, names, bootstrap=20, holdouts=False)
    plan = make_plan(fitted, Objective.of({"N": 0.6e6, "D": 1.3e6, "keep": "general <= +2%"}), swapped)
    assert plan.verdict == "the data do not say"
    assert "the two sides may be swapped" in plan.verdict_line
    assert "share of its own side" in said(plan, "wrong_way")
    assert {"general", "domain"} <= set(said(plan, "wrong_way").split())
    assert plan.caveats[0].kind == "wrong_way"


def test_extrapolation_is_told_before_what_may_follow_from_it() -> None:
    """150,000 times beyond the fitted tokens a law that is right on them runs the wrong way."""
    fits = load_fits(LAW_CPU)
    asked = {"N": 0.9e6, "keep": "general <= 3.1"}
    plan = make_plan(fits, Objective.of({**asked, "D": 158e9}))
    assert [item.kind for item in plan.caveats][:2] == ["extrapolates_D", "wrong_way"]
    assert "is 150,681 times above the fitted range (131k to 1.05M)" in plan.verdict_line
    assert "swapped" not in plan.summary()
    assert "the extrapolation is to blame" in said(plan, "wrong_way")
    assert plan.verdict == "the data do not say"
    near = make_plan(fits, Objective.of({**asked, "D": 1.065e6}))
    assert "The token count 1.06M is 1.6 % above the fitted range" in said(near, "extrapolates_D")


def test_sides_in_their_places_run_the_right_way(synthetic) -> None:
    table = synthetic.table()
    fitted = fit_table(table, ("d-cpt",), bootstrap=20, holdouts=False)
    plan = make_plan(fitted, Objective.of({"N": 0.6e6, "D": 1.3e6, "keep": "general <= -6%"}), table)
    assert said(plan, "wrong_way") == said(plan, "flat_loss") == ""


def test_a_loss_that_hardly_varies_is_no_evidence_however_well_it_is_fitted(synthetic) -> None:
    """A constant target: the law fits it without error, and the ratio means nothing to it."""
    frame = synthetic.table().frame
    constant = np.where(frame["eval_set"] == "domain", 2.5, frame["value"])
    fitted = fit_table(
        LossTable.from_frame(frame.assign(value=constant)), ("d-cpt",), bootstrap=20, holdouts=False
    )
    plan = make_plan(fitted, Objective.of({"N": 0.6e6, "D": 1.3e6, "keep": "general <= 3.4"}))
    assert "domain loss hardly depends on the ratio" in said(plan, "flat_loss")
    assert plan.verdict != "supported"
    assert said(plan, "wrong_way") == ""


def test_a_stand_in_for_unknown_text_is_said_in_fit_and_plan(synthetic) -> None:
    frame = synthetic.table().frame
    told = LossTable.from_frame(frame.assign(source=source_of([STAND_IN_CORPUS])))
    fitted = fit_table(told, ("d-cpt",), bootstrap=20, holdouts=False)
    warned = [fit.eval_set for fit in fitted for doubt in fit.warnings if doubt.kind == "stand_in"]
    assert warned == ["general"]
    plan = make_plan(fitted, Objective.of({"N": 0.6e6, "D": 1.3e6, "keep": "general <= -6%"}), told)
    assert "web stands in for pre-training text" in said(plan, "stand_in")


def test_a_base_that_is_worse_than_a_smaller_one_is_a_doubt(synthetic) -> None:
    """The target's own base, measured, was pre-trained for too few steps."""
    asked = Objective.of({"N": 1e6, "D": 1.3e6, "keep": "general <= 3.6"})
    table = synthetic.table()
    rows = table.frame
    row = rows[rows["eval_set"] == "general"].iloc[:1]
    place = {"run_id": "late-base", "N": 1e6, "D": 0.0, "r": 0.0, "phase": "base"}
    fitted = fit_table(table, ("d-cpt",), bootstrap=20, holdouts=False)
    low = rows.loc[rows["eval_set"] == "general", "value"].min()
    for loss, doubted in ((0.9 * low, False), (1.2 * rows["value"].max(), True)):
        small = row.assign(**{**place, "run_id": "small-base", "N": 0.2e6, "value": low})
        both = LossTable.from_frame(pd.concat([rows, small, row.assign(**place, value=loss)]))
        plan = make_plan(fitted, asked, both)
        assert bool(said(plan, "base_out_of_line")) is doubted
