from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from dcpt.core.errors import ConfigError, DataError, PlanError
from dcpt.core.loss_table import LossTable
from dcpt.fit.doubt import FitWarning
from dcpt.fit.fit import fit_table
from dcpt.fit.fit_file import FitSet
from dcpt.plan.evidence import choose_fit, fit_used, law_used
from dcpt.plan.make_plan import make_plan
from dcpt.plan.objective import Objective
from dcpt.plan.plan import CURVE_COLUMNS, Plan


def asking(**fields: object) -> Objective:
    return Objective.of({"N": 1.2e6, "D": 1.3e6, "keep": "general <= -1%", "general_now": 3.3, **fields})


@pytest.fixture(scope="module")
def fits(synthetic) -> FitSet:
    return synthetic.fits()


@pytest.fixture(scope="module")
def plan(fits) -> Plan:
    return make_plan(fits, asking())


def kinds(plan: Plan) -> dict[str, str]:
    return {caveat.kind: caveat.weight for caveat in plan.caveats}


def test_the_ceiling_is_met_where_the_laws_cross_it(fits, plan) -> None:
    assert plan.ceiling == pytest.approx(0.99 * 3.3)
    assert plan.binding == "ceiling"
    assert plan.general.mean == pytest.approx(plan.ceiling, abs=1e-9)
    general = fits.best("general")
    assert general.mean(1.2e6, 1.3e6, plan.r + 1e-3)[0] > plan.ceiling
    assert plan.domain.mean == pytest.approx(float(fits.best("domain").mean(1.2e6, 1.3e6, plan.r)[0]))


def test_the_numbers_of_a_plan_fit_together(plan) -> None:
    assert plan.replay == 1 - plan.r
    assert plan.r_lo <= plan.r <= plan.r_hi
    assert plan.r_cautious <= plan.r
    assert 0.3 < plan.kept_at_r < 0.7  # the ceiling binds: an even chance
    for loss in (plan.general, plan.domain):
        assert loss.obs_lo <= loss.mean_lo <= loss.mean <= loss.mean_hi <= loss.obs_hi
    assert plan.cost["flops"] == pytest.approx(6 * 1.2e6 * 1.3e6)
    assert plan.cost["domain_tokens"] + plan.cost["general_tokens"] == pytest.approx(1.3e6)
    assert tuple(plan.curve) == CURVE_COLUMNS
    assert plan.curve["general"].iloc[0] < plan.ceiling < plan.curve["general"].iloc[-1]


def test_a_plan_is_the_same_twice_and_another_with_another_seed(fits, plan) -> None:
    assert make_plan(fits, asking()).to_dict() == plan.to_dict()
    assert make_plan(fits, asking(), seed=1).r_lo != plan.r_lo


def test_a_plan_survives_its_file(plan, tmp_path) -> None:
    path = plan.save(tmp_path)
    assert path.name == "plan.json"
    again = Plan.load(tmp_path)
    assert again.to_dict() == plan.to_dict()
    assert again.fingerprint == plan.fingerprint
    assert again.summary() == plan.summary()
    assert again.objective == plan.objective
    document = json.loads(path.read_text())
    for broken, named in (
        ({"r": "half"}, "r"),
        ({"colour": 1}, "colour"),
        ({"objective": {"N": 1}}, "objective"),
    ):
        path.write_text(json.dumps({**document, **broken}))
        with pytest.raises(DataError, match=named):
            Plan.load(path)
    del document["curve"]
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match="curve"):
        Plan.load(path)


def test_summary_table_and_repr_say_the_answer(plan) -> None:
    text = plan.summary()
    assert f"{plan.r:.3f}" in text
    assert text.endswith(plan.verdict_line)
    assert plan.table().loc["general", "limit"] == plan.ceiling
    assert "\n" not in repr(plan)
    assert "<table" in plan._repr_html_()


def test_no_feasible_ratio_is_a_plan_error(fits) -> None:
    with pytest.raises(PlanError, match="keeps the general loss"):
        make_plan(fits, asking(keep="general <= 1.5"))


def test_a_ceiling_in_nats_needs_no_base(fits) -> None:
    assert make_plan(fits, asking(keep="general <= 3.4", general_now=None)).base is None
    with pytest.raises(PlanError, match="before continual pre-training"):
        make_plan(fits, asking(general_now=None))


def test_a_sound_case_is_supported(synthetic) -> None:
    sound = synthetic.fits(spread=0.001, noise=0.001, held_out=0.002)
    plan = make_plan(sound, asking(N=0.5e6, D=1e6, keep="general <= 3.37", general_now=None))
    assert plan.verdict == "supported", plan.summary()
    assert plan.verdict_line.startswith("Supported")


def test_every_doubt_is_found_by_its_kind(synthetic) -> None:
    near = {"keep": "general <= 3.37", "general_now": None, "D": 1e6, "N": 0.5e6}
    tight = {"spread": 0.001, "noise": 0.001, "held_out": 0.002}

    def found(options: dict, **fields: object) -> dict[str, str]:
        return kinds(make_plan(synthetic.fits(**{**tight, **options}), asking(**{**near, **fields})))

    assert found({}) == {}
    assert found({}, N=1.2e6, keep="general <= 3.26")["extrapolates_N"] == "note"
    assert found({}, N=60e6, keep="general <= 2.94")["extrapolates_N"] == "doubt"
    assert found({}, D=2.6e6)["extrapolates_D"] == "note"
    assert found({}, D=13e6)["extrapolates_D"] == "doubt"
    assert found({}, keep="general <= 9")["edge_of_range"] == "doubt"
    assert found({}, keep="general <= 9", r_max=0.97)["near_pure_mixture"] == "doubt"
    assert found({}, keep="general <= 9", r_max=0.97)["extrapolates_r"] == "doubt"
    assert found({"held_out": None})["not_held_out"] == "doubt"
    assert found({"baseline": 0.001})["worse_than_baseline"] == "doubt"
    assert found({"draws": 0})["no_interval"] == "doubt"
    assert found({"noise": 0.05})["wide_interval"] == "open"
    lowest = float(synthetic.fit_of("general").mean(0.5e6, 1e6, 0.1)[0])
    assert found({"noise": 0.02}, keep=f"general <= {lowest + 0.005}")["often_infeasible"] == "doubt"


def test_an_estimated_base_is_a_doubt(synthetic, fits) -> None:
    plan = make_plan(fits, asking(general_now=None, keep="general <= -2%"), synthetic.table())
    assert plan.base.source == "estimated"
    assert kinds(plan)["base_estimated"] == "doubt"


def test_fit_status_and_bounds_are_passed_on(synthetic) -> None:
    fits = synthetic.fits()
    warning = FitWarning("bound_hit", "E is at its bound 0.", ("E",))
    bad = FitSet(
        (dataclasses.replace(fits.get("d-cpt", "general"), status="max_iter", warnings=(warning,)),
         fits.get("d-cpt", "domain")), {}
    )  # fmt: skip
    found = kinds(make_plan(bad, asking()))
    assert (found["fit_status"], found["parameters_at_bounds"]) == ("doubt", "note")


def test_a_law_blind_to_the_mixture_never_plans_but_counts_as_a_baseline(synthetic) -> None:
    values = {"E": 1.0, "A": 1.0, "B": 0.5, "alpha": 0.1, "beta": 0.3}
    blind = [
        synthetic.fit_of(side, values, law="chinchilla", held_out=0.001) for side in ("general", "domain")
    ]
    fits = FitSet((*synthetic.fits(), *blind), {})
    assert choose_fit(fits, "domain").law.name == "d-cpt"
    assert kinds(make_plan(fits, asking()))["worse_than_baseline"] == "doubt"
    with pytest.raises(PlanError, match="does not see the mixture"):
        make_plan(fits, asking(), law="chinchilla")


def test_the_fit_behind_a_plan_is_recognised(synthetic, fits, plan) -> None:
    assert fit_used(fits, "general", plan.laws["general"]) is fits.get("d-cpt", "general")
    with pytest.raises(ConfigError, match="not the one the plan was made from"):
        fit_used(synthetic.fits(seed=9), "general", plan.laws["general"])
    assert law_used(fits.best("domain")) == plan.laws["domain"]


def test_no_draws_give_no_interval(synthetic) -> None:
    plan = make_plan(synthetic.fits(draws=0), asking())
    assert (plan.r_lo, plan.r_hi, plan.r_cautious, plan.kept_at_r) == (None,) * 4
    assert np.isfinite(plan.r)
    assert Plan.from_dict(plan.to_dict()).to_dict() == plan.to_dict()
    assert "interval" not in plan.summary().split("\n")[2]


def test_draws_are_paired_by_their_resample(synthetic, fits, plan) -> None:
    general, domain = fits
    kept = np.delete(np.arange(200), 7)

    def some(fit, rows):
        return dataclasses.replace(fit, draws=fit.draws[rows], resamples=fit.resamples[rows])

    gap = make_plan(FitSet((some(general, kept), domain), {}), asking())
    both = make_plan(FitSet((some(general, kept), some(domain, kept)), {}), asking())
    assert len(gap.r_draws) == 199
    np.testing.assert_array_equal(gap.r_draws, both.r_draws)
    apart = FitSet((some(general, np.arange(100)), some(domain, np.arange(100, 200))), {})
    assert kinds(make_plan(apart, asking()))["no_interval"] == "doubt"


def test_the_ratio_is_the_same_in_nats_and_in_bits_per_byte(synthetic) -> None:
    nats = synthetic.table().frame
    # Bytes per token of one tokenizer on the two sides: fewer on the side that it was not made for.
    width = nats["role"].map({"general": 4.1, "domain": 3.3})
    bits = nats.assign(metric="bpb", unit="bits_per_byte", value=nats["value"] / width / np.log(2))
    table = LossTable.from_frame(pd.concat([nats, bits]))
    sets = {
        metric: fit_table(table, ("d-cpt",), metric=metric, bootstrap=40, holdouts=False)
        for metric in ("loss", "bpb")
    }
    for N, keep, source in ((0.6e6, "-6%", "measured"), (1.2e6, "-2%", "estimated")):
        asked = asking(N=N, keep=f"general <= {keep}", general_now=None)
        plans = {metric: make_plan(fits, asked, table) for metric, fits in sets.items()}
        assert plans["bpb"].r == pytest.approx(plans["loss"].r, abs=1e-3)
        assert plans["bpb"].r_lo == pytest.approx(plans["loss"].r_lo, abs=5e-3)
        assert (plans["bpb"].binding, plans["bpb"].base.source) == ("ceiling", source)
        ratio = plans["loss"].ceiling / plans["bpb"].ceiling
        assert ratio == pytest.approx(4.1 * np.log(2), rel=1e-3)
    plan = plans["bpb"]
    assert (plan.metric, plan.unit) == ("bpb", "bits_per_byte")
    assert {(law.metric, law.unit) for law in plan.laws.values()} == {("bpb", "bits_per_byte")}
    assert f"ceiling {plan.ceiling:.4f} bits per byte" in plan.summary()
    assert "nats" not in plan.summary() + "".join(caveat.message for caveat in plan.caveats)
    assert "bits per byte" in plan._repr_html_()
    assert Plan.from_dict(plan.to_dict()).to_dict() == plan.to_dict()
    with pytest.raises(PlanError, match=r"or below 0\.1000 bits per byte"):
        make_plan(sets["bpb"], asking(keep="general <= 0.1"), table)


def test_sides_of_different_metrics_are_refused(synthetic) -> None:
    general, domain = synthetic.fits()
    other = synthetic.fit_of("domain", metric="bpb", scale=0.4)
    with pytest.raises(ConfigError, match=r"metric loss \(nats per token\), the domain side on bpb"):
        make_plan(FitSet((general, other), {}), asking())
    with pytest.raises(ConfigError, match="several metrics: loss, bpb"):
        make_plan(FitSet((general, domain, other), {}), asking())


def test_an_empty_range_is_refused(fits) -> None:
    with pytest.raises(ConfigError, match="searched range"):
        make_plan(fits, asking(r_min=0.95))
