"""Variants of a sweep of mixtures: each mixture trained with all of them, told apart in the tables."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from four_corpora import CORPORA, pretend_finished, sweep_of
from tiny_text import BATCH, CONTEXT, STEP

from dcpt.core.errors import ConfigError
from dcpt.core.loss_table import LossTable
from dcpt.core.phase_shares import sequences_by_corpus
from dcpt.cost.options import option_flops
from dcpt.fit.mixtures import read_mixtures
from dcpt.sweep import run_sweep as run_module
from dcpt.sweep.finding import mixture_table
from dcpt.sweep.prepare import Sweep
from dcpt.sweep.price import price
from dcpt.sweep.rounds import RoundSettings, check_variant, run_rounds
from dcpt.sweep.variant_names import variant_names

PLAIN: dict[str, Any] = {"name": "plain"}
VARIANTS: list[dict[str, Any]] = [
    PLAIN,
    {"name": "mer", "mer": {"every_tokens": 10 * STEP, "rate": 0.2}},
    {"name": "late", "phases": [{"begin": 0.9, "mixture": {"law": 1.0}}]},
    {"name": "tilt", "tilt": 0.5},
    {"name": "pool", "pool_tokens": {"law": 5 * STEP}, "pool_of": "run"},
    {"name": "warm", "start": {"optimizer": "restored"}},
    {"name": "skill", "reweighting": {"every_tokens": 30 * STEP, "strength": 0.5}},
]
NAMES = [item["name"] for item in VARIANTS]
MIXTURES: list[Any] = ["uniform", {"prose": 0.5, "law": 0.5}]


def finish(sweep: Sweep) -> None:
    for run in sweep.design.runs:
        if run.kind != "trunk":
            pretend_finished(sweep.root, run)


def test_every_option_is_an_axis_of_mixtures(folder: Path) -> None:
    plain = sweep_of(folder, MIXTURES)
    sweep = sweep_of(folder, MIXTURES, variants=VARIANTS)
    runs = sweep.design.runs
    # A variant without options of its own is, but for its name, the trunk of a sweep without variants.
    trunks = {run.run_id[-8:] for run in plain.design.runs if run.kind == "trunk"}
    assert len(trunks) == 2
    assert trunks < {run.run_id[-8:] for run in runs}
    names = variant_names(sweep.spec.cpt, runs)
    ends = [run for run in runs if run.kind in ("branch", "run")]
    found = sorted((names[run.run_id], tuple(run.mixture.phases[0].shares.values())) for run in ends)
    assert found == sorted(
        (name, tuple(blend.shares.values())) for name in NAMES for blend in sweep.design.mixtures
    )
    assert all(f"-{names[run.run_id]}" in run.slug for run in ends)
    assert set(names) == {run.run_id for run in runs if run.kind != "base"}
    # Priced one by one, the interpolations of MER included.
    parameters = next(iter(sweep.design.rungs.values())).parameters
    mer = [run for run in runs if names.get(run.run_id) == "mer"]
    assert all(option_flops(run, parameters) > 0 for run in mer if run.kind != "trunk")
    assert price(sweep).flops > price(plain).flops + 5 * sum(sweep.design.flops(run) for run in mer) / 2
    assert any(
        "7 variants share mixtures" in note and "--where variant=plain" in note for note in sweep.notes
    )
    alone = sweep_of(folder, MIXTURES, variants=[{**VARIANTS[1], "name": "one"}])
    under_cpt = sweep_of(folder, MIXTURES, mer=VARIANTS[1]["mer"])
    assert [run.run_id for run in alone.design.runs] == [run.run_id for run in under_cpt.design.runs]
    assert not variant_names(alone.spec.cpt, alone.design.runs)


def test_the_tables_name_the_variant_and_a_fit_is_of_one(folder: Path) -> None:
    sweep = sweep_of(folder, MIXTURES, variants=VARIANTS[:4])
    finish(sweep)
    run_module._write(sweep)
    wide = pd.read_csv(folder / "mixtures.csv")
    assert wide["variant"].value_counts().to_dict() == dict.fromkeys(NAMES[:4], 2)
    long = pd.read_csv(folder / "losses.csv", keep_default_na=False)
    assert set(long["variant"]) == {"", *NAMES[:4]}
    assert set(long.loc[long["phase"] == "base", "variant"]) == {""}
    # Runs of one mixture and seed are other runs with other options.
    table = LossTable.read(folder / "losses.csv")
    assert table.frame.loc[table.frame["phase"] == "end", "run"].nunique() == 8
    with pytest.raises(
        ConfigError, match=r"of the variants plain, late, mer, tilt; a fit is of one"
    ) as asked:
        read_mixtures(folder / "mixtures.csv")
    assert asked.value.hint == "--where variant=plain"
    one, report = read_mixtures(folder / "mixtures.csv", conditions=["variant=mer"])
    assert list(one.index) == wide.loc[wide["variant"] == "mer", "run_id"].tolist()
    assert (report.read, report.dropped) == (8, {"not variant=mer": 6})
    with pytest.raises(ConfigError, match="'varaint' is not in the file"):
        read_mixtures(folder / "mixtures.csv", conditions=["varaint=mer"])


def test_what_is_held_back_of_a_design_suits_every_variant(folder: Path) -> None:
    """Its bounds keep prose at 0.3, which what the base has left of it carries; with a last fifth of prose
    alone a run has 0.44 of it, for which all of the text is needed, by the runs without that phase too."""
    late = {"name": "late", "phases": [{"begin": 0.8, "mixture": {"prose": 1.0}}]}
    corpus = sweep_of(folder, ["uniform"]).design.corpora["prose"]
    windows, used, sequences = (corpus.train.tokens - 1) // CONTEXT, 95, 1000 * BATCH
    assert windows == 631
    design = {"kind": "vertices+centroid", "bounds": {"prose": [0, 0.3]}}
    options = {"budgets": (1000 * STEP,), "max_epochs": 0.39 * sequences / (windows - used)}
    (_, *alone) = sweep_of(folder, design, variants=[PLAIN], **options).design.runs
    assert {run.mixture.skip.get("prose") for run in alone} == {used}
    (_, *both) = sweep_of(folder, design, variants=[PLAIN, late], **options).design.runs
    assert {run.mixture.skip.get("prose") for run in both} == {None}
    most = max(sequences_by_corpus(run.mixture, run.schedule.steps * BATCH)["prose"] for run in both)
    assert most == pytest.approx(0.44 * sequences, abs=2)


def test_rounds_are_chosen_by_the_variant_that_is_named(folder: Path) -> None:
    sweep = sweep_of(folder, {"bounds": {"prose": [0.05, 1.0]}}, variants=VARIANTS[:2])
    settings = RoundSettings((6,), variant="mer")
    for wrong, said in ((None, "variants plain, mer; one of them"), ("mre", "there is no variant 'mre'")):
        with pytest.raises(ConfigError, match=said):
            check_variant(sweep, wrong)
    with pytest.raises(ConfigError, match="one of them chooses"):
        run_rounds(sweep, RoundSettings((6,)), lambda now: pytest.fail("nothing is trained before"))
    seen: list[tuple[str, ...]] = []

    def train(now: Sweep) -> Any:
        finish(now)
        result = run_module._write(now)
        seen.append(mixture_table(now, result, "mer").index)
        return type("Result", (), {"table": result})

    found = run_rounds(sweep, settings, train)
    assert found.ended == "all rounds are done"
    assert found.asked["variant"] == "mer"
    (names,) = seen
    assert len(names) == 6
    assert all("-mer-" in name for name in names)
    assert set(found.answer["best"]["shares"]) == set(CORPORA)
