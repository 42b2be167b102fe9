"""Sweeps over mixtures of several corpora: what is trained, under which names, and what the tables say."""

from __future__ import annotations

import re
import sys
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent))

from four_corpora import CORPORA, four_document, pretend_finished, sweep_of, true_losses
from tiny_text import STEP

from dcpt.cli.sweep import describe, summary
from dcpt.core.errors import ConfigError
from dcpt.core.loss_table import LossTable
from dcpt.fit.mixtures import read_mixtures
from dcpt.run.conductor import Outcome
from dcpt.sweep import run_sweep as run_module
from dcpt.sweep.collect import collect
from dcpt.sweep.expand import target_run
from dcpt.sweep.mixture_rows import mixture_frame
from dcpt.sweep.prepare import prepare
from dcpt.sweep.price import price
from dcpt.sweep.rounds_file import Round, Rounds
from dcpt.sweep.run_sweep import run_sweep
from dcpt.sweep.spec import read_sweep


def test_a_list_of_mixtures(folder: Path) -> None:
    sweep = sweep_of(
        folder, ["proportional", {"prose": 0.25, "law": 0.75}, "uniform"], budgets=[20 * STEP, 30 * STEP]
    )
    assert [run.kind for run in sweep.design.runs] == ["base", *["trunk", "branch", "branch"] * 3]
    proportional, pair, uniform = sweep.design.mixtures
    sizes = np.array([sweep.design.corpora[name].train.tokens for name in CORPORA], dtype=float)
    assert list(proportional.shares.values()) == pytest.approx(sizes / sizes.sum(), abs=1e-6)
    assert dict(pair.shares) == {"prose": 0.25, "notes": 0.0, "law": 0.75, "code": 0.0}
    assert set(uniform.shares.values()) == {0.25}
    trunk = sweep.design.runs[4]
    assert dict(trunk.mixture.phases[0].shares) == dict(pair.shares)
    assert trunk.slug == f"small-{pair.label}-s0-trunk"
    assert trunk.r == 0.75
    assert "10 runs, 1 sizes x 3 mixtures x 2 budgets" in summary(sweep, price(sweep))
    assert describe(sweep, price(sweep))["mixtures"][1]["law"] == 0.75


def test_a_mixture_keeps_its_runs_wherever_it_stands(folder: Path) -> None:
    """In a list, in a design that grows, and after rounds that were added."""
    listed = {run.run_id for run in sweep_of(folder, ["uniform", {"prose": 0.5, "law": 0.5}]).design.runs}
    longer = [{"law": 1.0}, {"prose": 0.5, "law": 0.5}, "uniform"]
    assert listed < {run.run_id for run in sweep_of(folder, longer).design.runs}
    few = sweep_of(folder, {"count": 5}).design
    many = sweep_of(folder, {"count": 9}).design
    assert {run.run_id for run in few.runs} < {run.run_id for run in many.runs}
    assert list(few.mixtures) == list(many.mixtures)[:5]
    added = few.mixtures[0].of({"prose": 1.0, "notes": 0.0, "law": 0.0, "code": 0.0})
    Rounds({}, (Round(few.mixtures, "design"), Round((added,), "mixed"))).write(folder)
    grown = prepare(folder).design
    assert [run.run_id for run in grown.runs[: len(few.runs)]] == [run.run_id for run in few.runs]
    assert grown.mixtures[-1].label == added.label


def test_repeats_are_trained_with_another_seed(folder: Path) -> None:
    design = sweep_of(folder, {"count": 4, "repeats": 2}, seeds=[3]).design
    seeds = [(run.seed, run.mixture.phases[0].shares["law"]) for run in design.runs if run.kind == "branch"]
    shares = [mixture.shares["law"] for mixture in design.mixtures]
    assert seeds == [*((3, share) for share in shares), *((4, share) for share in shares[:2])]


def test_the_supply_of_text_bounds_the_design(folder: Path) -> None:
    sweep = sweep_of(
        folder, {"count": 12, "bounds": {"prose": [0.1, 1.0]}}, budgets=(300 * STEP,), max_epochs=0.9
    )
    region = sweep.design.region
    assert region is not None
    assert set(region.capped) == set(CORPORA)
    shares = np.array([list(mixture.shares.values()) for mixture in sweep.design.mixtures])
    assert (shares[:, 0] >= 0.1).all()
    for name, column in zip(CORPORA, shares.T, strict=True):
        assert column.max() <= region.high[name] < 1
        assert any(note.startswith(f"corpus {name!r}: at most") for note in sweep.notes)
    with pytest.raises(ConfigError, match="greatest shares sum to"):
        sweep_of(folder, {"count": 12}, budgets=(700 * STEP,), max_epochs=0.9)
    with pytest.raises(ConfigError, match=r"at least 0.9 of 'code' is wanted and its text carries"):
        sweep_of(folder, {"bounds": {"code": [0.9, 1.0]}}, budgets=(300 * STEP,), max_epochs=0.9)


def test_with_phases_the_tables_name_the_shares_of_whole_runs(folder: Path) -> None:
    """Not those of the last phase, in which all mixtures are one."""
    late = {"begin": 0.8, "mixture": {"law": 1.0}}
    sweep = sweep_of(folder, ["uniform", {"prose": 0.5, "law": 0.5}], phases=[late])
    for run in sweep.design.runs:
        if run.kind != "trunk":
            pretend_finished(folder, run)
    table = collect(folder, sweep.design.runs, mixed=True)
    ends = table.frame[table.frame["phase"] == "end"].drop_duplicates("run_id")
    assert ends["run"].nunique() == 2
    wide = mixture_frame(sweep.design.runs, table)
    for frame in (ends, wide):
        assert list(frame["share:law"]) == pytest.approx([0.25 * 0.8 + 0.2, 0.5 * 0.8 + 0.2])
        assert list(frame["share:prose"]) == pytest.approx([0.25 * 0.8, 0.5 * 0.8])


def test_few_mixtures_are_told(folder: Path) -> None:
    def told(mixtures: Any) -> bool:
        return any("at least 15 are recommended" in note for note in sweep_of(folder, mixtures).notes)

    assert told({"count": 14})
    assert told({"rounds": [8, 4]})
    assert not told({"rounds": [8, 4, 3]})
    assert not told({})
    assert told({"kind": "vertices+centroid"})


@pytest.mark.parametrize(
    ("mixtures", "said"),
    [
        ([{"prose": 0.5, "law": 0.4}], r"cpt.mixtures\[0\].*the shares sum to 0.9; wanted 1"),
        ([{"prose": 30, "law": 70}], r"looks like a percentage; write 0.3 for 30 %"),
        ([{"prose": "30%", "law": 0.7}], r"looks like a percentage"),
        (["uniform", {"lwa": 1.0}], "'lwa' is no corpus; the sweep has.*\n.*did you mean 'law'"),
        (["uniform", dict.fromkeys(CORPORA, 0.25)], "a mixture stands twice"),
        (["unifrom"], "mixture 'unifrom' is unknown"),
        ([], r"cpt.mixtures: got \[\]"),
        ({"cuont": 3}, "unknown key 'cpt.mixtures.cuont'.*\n.*did you mean 'count'"),
        ({"design": "simplex"}, r"mixtures.design'.*\n.*keys are kind, count.*\n.*simplex, count: 12"),
        ({"bounds": {"law": [0.5, 0.2]}}, "wanted the least share first"),
        ({"rounds": [4], "count": 4}, "count and rounds are both given"),
        ({"kind": "vertices+centroid", "count": 4}, "no count"),
        (None, "key 'ratios' is missing"),
    ],
)  # fmt: skip
def test_mistakes(folder: Path, mixtures: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        sweep_of(folder, mixtures)


def test_the_template_shows_mixtures_that_can_be_had(tmp_path: Path) -> None:
    text = (resources("dcpt.sweep") / "demo.yaml").read_text(encoding="utf-8")
    shown = re.findall(r"^  # (mixtures: .*)$", text, re.MULTILINE)
    assert len(shown) == 2
    for line in shown:
        path = tmp_path / "sweep.yaml"
        path.write_text(re.sub(r"^  ratios: .*$", f"  {line}", text, flags=re.MULTILINE))
        assert read_sweep(path).cpt.mixtures is not None


def test_ratios_and_mixtures_exclude_each_other(folder: Path) -> None:
    with pytest.raises(ConfigError, match="exactly one of ratios and mixtures"):
        sweep_of(folder, ["uniform"], ratios=[0.5])


def test_the_tables(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = sweep_of(folder, {"count": 5, "repeats": 1})
    for run in sweep.design.runs:
        if run.kind != "trunk":
            pretend_finished(folder, run)
    ends = [run for run in sweep.design.runs if run.kind == "branch"]
    monkeypatch.setattr(
        run_module, "execute", lambda *rest, **more: Outcome([run.run_id for run in ends], {}, {})
    )
    run_sweep(sweep)
    frame = pd.read_csv(folder / "mixtures.csv")
    assert set(frame["schema_version"]) == {1}
    assert len(frame) == 6
    for _, row in frame.iterrows():
        shares = {name: row[f"share:{name}"] for name in CORPORA}
        for name, loss in true_losses(shares).items():
            assert row[f"loss:{name}"] == pytest.approx(loss)
    assert frame["run_id"].tolist() == [run.run_id for run in ends]
    table, dropped = read_mixtures(folder / "mixtures.csv")
    assert table.sides == ("general", "general", "domain", "domain")
    base = true_losses(dict(sweep.design.runs[0].mixture.phases[0].shares))
    assert table.base is not None
    assert table.base[0] == pytest.approx([base[name] for name in table.targets])
    assert set(dropped.ignored) == {"schema_version", "size", "r", "schedule"}
    assert (table.corpora, table.targets) == (CORPORA, (*CORPORA, "general", "domain"))
    assert list(table.index) == frame["run_id"].tolist()
    losses = LossTable.read(folder / "losses.csv", extras=[f"share:{name}" for name in CORPORA])
    # The repeat is a run of its own; a base has no shares of this phase.
    of_mixtures = losses.frame[losses.frame["phase"] == "end"]
    assert of_mixtures["run"].nunique() == 6
    assert losses.frame.loc[losses.frame["phase"] == "base", "share:law"].isna().all()
    by_hand = of_mixtures.drop_duplicates("run_id").set_index("run_id")["share:law"]
    assert by_hand.to_dict() == frame.set_index("run_id")["share:law"].to_dict()


def test_the_table_of_ratios_is_as_it_was(folder: Path) -> None:
    """No column of shares, and no mixtures.csv, where ratios divide the tokens."""
    document = four_document(["uniform"])
    document["cpt"]["ratios"] = [0.25]
    del document["cpt"]["mixtures"]
    (folder / "sweep.yaml").write_text(yaml.safe_dump(document))
    sweep = prepare(folder)
    for run in sweep.design.runs:
        if run.kind != "trunk":
            pretend_finished(folder, run)
    names = list(collect(folder, sweep.design.runs).frame)
    assert not [name for name in names if name.startswith("share:") or name == "run"]
    run_module._write(sweep)
    assert not (folder / "mixtures.csv").exists()


def test_a_target_at_a_mixture(folder: Path) -> None:
    sweep = sweep_of(folder, ["uniform"])
    run = target_run(sweep.design, sweep.spec, "small", {"law": 0.6, "prose": 0.4}, 30 * STEP)
    assert dict(run.mixture.phases[0].shares) == {"prose": 0.4, "notes": 0.0, "law": 0.6, "code": 0.0}


def test_reweighting_reaches_the_runs_and_not_the_base(folder: Path) -> None:
    plain = {run.run_id for run in sweep_of(folder, ["uniform"]).design.runs}
    rule = {"every_tokens": 60 * STEP, "strength": 0.5, "bounds": {"prose": [0.2, 1.0]}}
    base, *runs = sweep_of(folder, ["uniform"], reweighting=rule).design.runs
    assert base.run_id in plain
    assert base.mixture.reweighting is None
    for run in runs:
        assert run.run_id not in plain
        assert (run.mixture.reweighting.every, run.mixture.reweighting.bounds["prose"]) == (60, (0.2, 1.0))
    with pytest.raises(ConfigError, match="comes to 45 steps and an evaluation to 30; wanted a multiple"):
        sweep_of(folder, ["uniform"], reweighting={**rule, "every_tokens": 45 * STEP})
