"""Options of training in a sweep file: what becomes of them in the runs, their price, and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tiny_text import BATCH, CONTEXT, STEP, tiny_document, write_sweep

from dcpt.core.errors import ConfigError
from dcpt.core.run_record import RunRecord
from dcpt.core.run_spec import RunSpec
from dcpt.core.training_options import Interpolation
from dcpt.corpus.sampler import MixtureSampler
from dcpt.cost.options import option_flops
from dcpt.sweep.expand import target_run
from dcpt.sweep.option_columns import option_columns, unique_tokens
from dcpt.sweep.prepare import Sweep, prepare

TARGET = {"size": {"name": "large", "hidden": 32, "layers": 1}, "tokens": 60 * STEP}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_sweep(tmp_path_factory.mktemp("options") / "sweep")
    prepare(folder)
    return folder


def with_cpt(folder: Path, target: Mapping[str, Any] | None = None, **changes: Any) -> Sweep:
    cpt = {**tiny_document()["cpt"], "ratios": [0.25], **changes}
    document = tiny_document(cpt=cpt)
    if target is not None:
        document["target"] = target
    (folder / "sweep.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return prepare(folder)


def trained(sweep: Sweep, kind: str = "branch") -> list[RunSpec]:
    return [run for run in sweep.design.runs if run.kind == kind]


def test_without_options_runs_are_as_before(folder: Path) -> None:
    plain = with_cpt(folder)
    named = with_cpt(folder, variants=[{"name": "plain"}])
    assert [run.run_id for run in named.design.runs] == [run.run_id for run in plain.design.runs]
    assert not any(option_columns(run) for run in plain.design.runs)


def test_variants_are_an_axis_and_share_what_they_can(folder: Path) -> None:
    """A late phase leaves the trunk of the plain runs; other optimizers have trunks of their own."""
    sweep = with_cpt(
        folder,
        tilt=0.5,
        variants=[
            {"name": "plain", "tilt": 0.0},
            {"name": "late", "tilt": 0.0, "phases": [{"begin": 0.8, "ratio": 0.9}]},
            {"name": "mer", "mer": {"every_tokens": 5 * STEP, "rate": 0.1}},
            {"name": "restored", "start": {"optimizer": "restored"}},
        ],
    )
    trunks, branches = trained(sweep, "trunk"), trained(sweep)
    assert [len(trunks), len(branches)] == [3, 8]
    by_name = {
        name: [run for run in branches if f"-{name}-" in run.slug] for name in ("plain", "late", "mer")
    }
    assert {run.start.run_id for run in (*by_name["plain"], *by_name["late"]) if run.start} == {
        trunks[0].run_id
    }
    assert [len(run.mixture.phases) for run in (trunks[0], *by_name["late"])] == [1, 2, 2]
    assert [run.r for run in by_name["late"]] == pytest.approx([0.25 * 0.8 + 0.9 * 0.2] * 2)
    assert {run.optimizer.interpolation for run in by_name["mer"]} == {Interpolation(5, 0.1)}
    assert {option_columns(run).get("tilt") for run in by_name["mer"]} == {0.5}
    assert {option_columns(run).get("restored") for run in branches} == {None, 1.0}
    assert len({run.run_id for run in sweep.design.runs}) == len(sweep.design.runs)
    assert any("variant 'mer': weights keep 10 %" in note for note in sweep.notes)
    assert any("4 variants share ratios" in note and "--where variant=plain" in note for note in sweep.notes)


def test_an_early_phase_takes_the_run_off_the_trunk(folder: Path) -> None:
    sweep = with_cpt(folder, phases=[{"begin": 0.5, "mixture": {"prose": 1.0}}], keep_ratio=True)
    runs = trained(sweep, "run")
    assert [run.schedule.steps for run in runs] == [20, 30]
    assert not trained(sweep)
    for run in runs:  # the same tokens of each corpus, in another order
        assert run.mixture.phases[0].shares == {"prose": 0.5, "law": 0.5}
        assert run.r == pytest.approx(0.25)
        sampler = MixtureSampler(run.mixture, sweep_windows(sweep))
        assert sampler.counts(run.schedule.steps * BATCH)["law"] == run.schedule.steps * BATCH / 4


def test_a_target_has_the_planned_share_of_the_whole_run(folder: Path) -> None:
    """As the tables have it; its phases are those of the sweep."""
    sweep = with_cpt(folder, TARGET, phases=[{"begin": 0.8, "ratio": 0.9}])
    assert [run.r for run in trained(sweep)] == pytest.approx([0.25 * 0.8 + 0.9 * 0.2] * 2)
    run = target_run(sweep.design, sweep.spec, "large", 0.4, 60 * STEP)
    assert (run.r, run.shares["law"]) == (pytest.approx(0.4), pytest.approx(0.4))
    assert [phase.shares["law"] for phase in run.mixture.phases] == pytest.approx([0.275, 0.9])
    plain = with_cpt(folder, TARGET)
    run = target_run(plain.design, plain.spec, "large", 0.4, 60 * STEP)
    assert [phase.shares["law"] for phase in run.mixture.phases] == [0.4]


def test_a_target_of_several_variants_wants_one_named(folder: Path) -> None:
    variants = [{"name": "plain"}, {"name": "hard", "tilt": 0.5}]
    sweep = with_cpt(folder, TARGET, variants=variants)
    with pytest.raises(ConfigError, match=r"variants plain, hard, which is not said"):
        target_run(sweep.design, sweep.spec, "large", 0.4, 60 * STEP)
    with pytest.raises(ConfigError, match=r"none is called 'soft'"):
        target_run(sweep.design, sweep.spec, "large", 0.4, 60 * STEP, variant="soft")
    tilts = {
        name: target_run(sweep.design, sweep.spec, "large", 0.4, 60 * STEP, variant=name).optimizer.tilt
        for name in ("plain", "hard")
    }
    assert tilts == {"plain": 0, "hard": 0.5}
    single = with_cpt(folder, TARGET, variants=variants[1:])
    for name in (None, "hard"):
        assert target_run(single.design, single.spec, "large", 0.4, 60 * STEP, variant=name).optimizer.tilt
    plain = with_cpt(folder, TARGET)
    with pytest.raises(ConfigError, match=r"none is called 'hard'"):
        target_run(plain.design, plain.spec, "large", 0.4, 60 * STEP, variant="hard")


def test_distinct_tokens_are_those_drawn_over_the_passes(folder: Path) -> None:
    """Over all phases, with a pool and without."""
    late = [{"begin": 0.8, "ratio": 0.9}]
    sweep = with_cpt(folder, phases=late, pool_tokens={"law": 8 * STEP}, pool_of="run")
    run = trained(sweep)[0]
    steps = run.schedule.steps
    record = RunRecord(
        run.run_id, "finished", tokens=steps * run.tokens_per_step, epochs={"law": run.r * steps / 8}
    )
    unlimited = replace(run, mixture=replace(run.mixture, limit={}))
    assert unique_tokens(run, record) == 8 * STEP
    assert unique_tokens(unlimited, record) == pytest.approx(8 * STEP)


def sweep_windows(sweep: Sweep) -> dict[str, int]:
    return {name: (corpus.train.tokens - 1) // CONTEXT for name, corpus in sweep.design.corpora.items()}


def test_limited_pools_make_the_epochs_of_the_target(folder: Path) -> None:
    """r = 1/2 of 60 steps from a pool of 15 steps: two passes; so for 20 and for 30 steps."""
    sweep = with_cpt(folder, TARGET, ratios=[0.5], pool_tokens={"law": 15 * STEP})
    runs = trained(sweep, "run")
    assert [run.mixture.limit for run in runs] == [{"law": 5 * BATCH}, {"law": 15 * BATCH // 2}]
    for run in runs:
        sampler = MixtureSampler(run.mixture, sweep_windows(sweep))
        drawn = run.schedule.steps * BATCH
        assert Fraction(sampler.epochs(drawn)["law"]) == 2
        corpus, window = sampler.sequences(0, drawn)
        used = window[corpus == sampler.names.index("law")]
        assert len(set(used.tolist())) == run.mixture.limit["law"]
    assert any("distinct tokens of 'law' are the target's pool: 2 epochs" in note for note in sweep.notes)
    whole = with_cpt(folder, ratios=[0.5], pool_tokens={"law": 8 * STEP}, pool_of="run")
    assert [run.mixture.limit for run in trained(whole)] == [{"law": 8 * BATCH}] * 2
    assert len(trained(whole, "trunk")) == 1


def test_interpolations_are_in_the_price(folder: Path) -> None:
    """3 FLOPs per parameter each: 6 in 30 steps, of which the trunk to step 24 makes 4."""
    sweep = with_cpt(folder, mer={"every_tokens": 5 * STEP, "rate": 0.1})
    plain = with_cpt(folder)
    parameters = sum(sweep.design.rungs["small"].parameters.values())
    found = {run.slug: option_flops(run, {"all": parameters}) for run in sweep.design.runs}
    assert [found[run.slug] / (3 * parameters) for run in trained(sweep, "trunk")] == [4]
    assert [found[run.slug] / (3 * parameters) for run in trained(sweep)] == [1, 2]
    added = sum(sweep.design.work.values()) - sum(plain.design.work.values())
    assert added == pytest.approx(3 * parameters * 7)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mer": {"every_tokens": 7 * STEP, "rate": 0.1}}, "comes to 7 steps and a budget to 20"),
        ({"mer": {"every_tokens": 40 * STEP, "rate": 0.1}}, "40 steps, more than the 20 of a budget"),
        ({"phases": [{"begin": 0.99, "ratio": 0.9}]}, "phase 1 of a run of 30 steps would be steps 31 to 30"),
        ({"phases": [{"begin": 0.5, "ratio": 0.9}], "keep_ratio": True}, "would have a share of 1.4"),
        ({"phases": [{"begin": 0.5}]}, "exactly one of ratio and mixture"),
        ({"keep_ratio": True}, "keep_ratio is for phases"),
        ({"pool_tokens": {"law": 500}}, "are those of the target, and the sweep has none"),
        ({"pool_tokens": {"laws": 500}, "pool_of": "run"}, "no corpus 'laws'; known are prose, law"),
        ({"pool_tokens": {"law": "10M"}, "pool_of": "run"}, "10M distinct tokens of 'law'; there are"),
        ({"pool_tokens": {"law": 64}, "pool_of": "run"}, "epochs, more than max_epochs = 4"),
        ({"variants": [{"name": "a"}, {"name": "a"}]}, "names of variants repeat"),
        ({"variants": [{"name": "a"}, {"name": "b"}]}, "are the same"),
        ({"tilt": ".inf"}, "tilt"),
        (
            {
                "phases": [{"begin": 0.5, "ratio": 0.9}],
                "variants": [{"name": "a", "phases": [], "keep_ratio": True}],
            },
            "variant 'a': keep_ratio is for phases",
        ),
    ],
)
def test_what_cannot_be_trained_is_said(folder: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        with_cpt(folder, **changes)
    assert message in refused.value.message


def test_options_and_schedules_are_two_axes(folder: Path) -> None:
    """Re-warming and infinite schedules, each with plain steps and with interpolated ones."""
    warm = {"warmup_tokens": 4 * STEP}
    cpt = {
        "schedules": [
            {"name": "rewarm", "kind": "cosine", "peak": 1e-3, "floor": 0.1, **warm},
            {
                "name": "infinite", "kind": "infinite", "peak": 1e-3, "floor": 0.01, "warmup_from": 0.3,
                "cooldown_share": 0.2,
                "plateau": 0.5, "anneal_share": 0.1, "decay_share": 0.1, **warm,
            },
        ],
        "variants": [{"name": "plain"}, {"name": "mer", "mer": {"every_tokens": 10 * STEP, "rate": 0.5}}],
    }  # fmt: skip
    document = tiny_document()
    document["cpt"] = {**document["cpt"], "ratios": [0.25], **cpt}
    del document["cpt"]["schedule"]
    (folder / "sweep.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    runs = trained(prepare(folder), "run")
    found = {(run.schedule.kind, run.optimizer.interpolation is not None) for run in runs}
    assert found == {(kind, mer) for kind in ("cosine", "infinite") for mer in (False, True)}
    assert len(runs) == 8
    slugs = {run.slug for run in runs}
    assert {"small-r0.25-s0-mer-infinite-d1.28k", "small-r0.25-s0-plain-rewarm-d1.92k"} <= slugs


def test_a_target_that_does_not_end_on_pulled_back_weights_is_told_which_do(folder: Path) -> None:
    sweep = with_cpt(folder, TARGET, mer={"every_tokens": 5 * STEP, "rate": 0.1})
    assert target_run(sweep.design, sweep.spec, "large", 0.4, 60 * STEP).schedule.steps == 60
    with pytest.raises(ConfigError) as caught:
        target_run(sweep.design, sweep.spec, "large", 0.4, 63 * STEP)
    assert f"the plan is for D = {63 * STEP / 1e3:g}k (63 steps)" in str(caught.value)
    assert "pulls the weights back every 5 steps" in str(caught.value)
    for steps in (60, 65):
        assert f"D = {steps * STEP / 1e3:g}k ({steps} steps)" in str(caught.value.hint)
    with pytest.raises(ConfigError) as caught:  # less than one of them: only the first multiple is left
        target_run(sweep.design, sweep.spec, "large", 0.4, 3 * STEP)
    assert f"plan for D = {5 * STEP:g} (5 steps), with --at" in str(caught.value.hint)
