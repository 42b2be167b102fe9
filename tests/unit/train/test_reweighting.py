"""Reweighting inside a run: where the shares go, and that no interruption or branch moves them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from tiny_sweep import BATCH, TinySweep, read_rows, write_tokens

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.mixture import MixturePhase, MixtureSpec
from dcpt.core.mixture_reweighting import ReweightingSpec
from dcpt.core.run_spec import EvaluationSpec, RunSpec
from dcpt.sweep.work import count_evaluations
from dcpt.train import checkpoint
from dcpt.train.failure import Stopped
from dcpt.train.processor import Processor
from dcpt.train.unit import run

RULE = ReweightingSpec(every=8, strength=0.5, window=2, bounds={"books": (0.2, 1.0)})


def reweighted(sweep: TinySweep, base: RunSpec, rule: ReweightingSpec | None = RULE, steps: int = 24):
    """A trunk of half domain text whose shares move every eight steps."""
    trunk = sweep.trunk(base, steps=steps, r=0.5)
    return replace(
        trunk,
        mixture=replace(trunk.mixture, reweighting=rule),
        evaluation=EvaluationSpec(every=4, sequences=16),
    )


def shares_of(folder: Path) -> list[tuple[int, dict[str, float]]]:
    return [
        (row["step"], {name[6:]: value for name, value in row.items() if name.startswith("share:")})
        for row in read_rows(folder, "mixture")
    ]


@pytest.fixture
def base(sweep: TinySweep, processor: Processor) -> RunSpec:
    base = sweep.base(steps=10)
    run(sweep.place(base), processor)
    return base


def test_the_share_moves_to_the_corpus_that_is_hard(sweep: TinySweep, processor: Processor) -> None:
    """One corpus counts upwards, which a small network learns at once; the other is noise of log 32 nats."""
    easy = write_tokens(sweep.root, "easy", "general", 1, 4, certainty=1.0)
    hard = write_tokens(sweep.root, "hard", "domain", 1, 5, certainty=0.0)
    mixture = MixtureSpec(
        {"easy": "general", "hard": "domain"},
        (MixturePhase(0, {"easy": 0.5, "hard": 0.5}),),
        seed=1,
        block=8,
        reweighting=ReweightingSpec(every=20, strength=0.5, window=1, bounds={"easy": (0.2, 1.0)}),
    )
    base = sweep.base(steps=0)
    run(sweep.place(base), processor)
    spec = replace(
        sweep.trunk(base, steps=100),
        kind="run",
        corpora=(easy, hard),
        mixture=mixture,
        evaluation=EvaluationSpec(every=10, sequences=16, ends=(100,)),
    )
    folder = sweep.place(spec)
    record = run(folder, processor)
    history = shares_of(folder)
    assert [step for step, _ in history] == [0, 20, 40, 60, 80, 100]
    domain = [shares["hard"] for _, shares in history]
    assert domain[0] == 0.5
    assert domain == sorted(domain)
    assert 0.6 < domain[-1] <= 0.8
    # what was asked for in each segment is what was drawn, and what the record says
    assert record.r_seen == pytest.approx(sum(domain[:-1]) / 5, abs=1e-12)
    assert read_rows(folder)[-1]["r_seen"] == record.r_seen
    assert record.epochs["hard"] == pytest.approx(sum(domain[:-1]) / 5 * 100 * BATCH / 374, abs=1e-9)
    assert {row["step"] for row in read_rows(folder, "mixture") if "loss:hard" in row} == {
        20,
        40,
        60,
        80,
        100,
    }
    losses = {row["step"]: row["value"] for row in read_rows(folder) if row["eval_set"] == "domain"
              and row["metric"] == "loss"}  # fmt: skip
    assert read_rows(folder, "mixture")[2]["loss:hard"] == losses[40]
    # updates take the losses of evaluations there are anyway: what the run costs does not change
    evaluated = {row["step"] for row in read_rows(folder)}
    assert count_evaluations(spec) == len(evaluated) == 10
    assert count_evaluations(replace(spec, mixture=replace(mixture, reweighting=None))) == 10


@pytest.mark.parametrize("wish", ["save", "leave"])
def test_an_interrupted_run_goes_on_bitwise(
    sweep: TinySweep, processor: Processor, base: RunSpec, wish: str
) -> None:
    spec = replace(reweighted(sweep, base, steps=32), kind="run")
    twin = replace(spec, slug="twin")
    whole = run(sweep.place(twin), processor)
    folder = sweep.place(spec)
    for steps in (6, 7, 5):  # before the first update, inside a segment, at a second
        asked = iter(range(10**6))
        with pytest.raises(Stopped):
            run(
                folder,
                processor,
                stop=lambda asked=asked, steps=steps: wish if next(asked) >= steps else None,
            )
    record = run(folder, processor)
    for kind in ("train", "eval", "mixture"):
        assert read_rows(folder, kind) == read_rows(sweep.place(twin), kind)
    files = [checkpoint.checkpoint_folder(place, 32) for place in (folder, sweep.place(twin))]
    assert len({(place / "model.safetensors").read_bytes() for place in files}) == 1
    assert checkpoint.read_state(files[0]).mixture == checkpoint.read_state(files[1]).mixture
    assert (record.r_seen, record.epochs) == (whole.r_seen, whole.epochs)
    assert len({tuple(shares.values()) for _, shares in shares_of(folder)}) > 1


KILLED_WITHIN_A_SEGMENT = """
import itertools, os, pathlib, signal, sys
from dcpt.train.processor import prepare_processor
from dcpt.train.unit import run
begun = itertools.count()
run(pathlib.Path(sys.argv[1]), prepare_processor("cpu"),
    stop=lambda: os.kill(os.getpid(), signal.SIGKILL) if next(begun) == 22 else None)
"""


def test_a_killed_process_goes_on_bitwise(sweep: TinySweep, processor: Processor, base: RunSpec) -> None:
    spec = replace(reweighted(sweep, base, steps=32), kind="run")
    folder, twin = sweep.place(spec), sweep.place(replace(spec, slug="twin"))
    killed = subprocess.run([sys.executable, "-c", KILLED_WITHIN_A_SEGMENT, str(folder)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert checkpoint.list_steps(folder) == [16, 20]
    run(folder, processor)
    run(twin, processor)
    for kind in ("train", "eval", "mixture"):
        assert read_rows(folder, kind) == read_rows(twin, kind)


@pytest.mark.parametrize("split", [16, 20])
def test_a_branch_goes_on_with_the_shares_of_its_trunk(
    sweep: TinySweep, processor: Processor, base: RunSpec, split: int
) -> None:
    """It equals the independent run of its schedule, split at an update or inside a segment."""
    trunk = reweighted(sweep, base, steps=split)
    trunk = replace(trunk, evaluation=replace(trunk.evaluation, also_at=(5,), ends=(6,)))
    whole, branch = (
        replace(make(trunk, decay=12), evaluation=replace(trunk.evaluation, ends=(split + 12,), also_at=()))
        for make in (sweep.whole, sweep.branch)
    )
    folders = [sweep.place(spec) for spec in (trunk, whole, branch)]
    records = [run(folder, processor) for folder in folders]
    assert read_rows(folders[2]) == [row for row in read_rows(folders[1]) if row["step"] > split]
    updates = [shares for step, shares in shares_of(folders[1]) if step >= split]
    assert [shares for _, shares in shares_of(folders[2])][-len(updates) :] == updates
    assert shares_of(folders[2])[0][0] == split
    assert records[1].r_seen == records[2].r_seen


def test_dense_windows_are_read_where_there_are_some(
    sweep: TinySweep, processor: Processor, base: RunSpec
) -> None:
    spec = replace(reweighted(sweep, base), kind="run")
    spec = replace(spec, evaluation=EvaluationSpec(4, 16, ends=(24,), dense_sequences=8))
    folder = sweep.place(spec)
    run(folder, processor)
    dense = {
        row["step"]: row["value"]
        for row in read_rows(folder)
        if row["eval_set"] == "general/notes/dense" and row["metric"] == "loss"
    }
    logged = {row["step"]: row["loss:notes"] for row in read_rows(folder, "mixture") if row["step"]}
    assert logged == {step: dense[step] for step in (8, 16, 24)}


def test_without_strength_nothing_moves(sweep: TinySweep, processor: Processor, base: RunSpec) -> None:
    """The losses are bitwise those of the fixed mixture: 1/2, 3/8, 1/8 are whole sequences of a segment."""
    still = replace(reweighted(sweep, base, replace(RULE, strength=0.0)), kind="run")
    fixed = replace(still, mixture=replace(still.mixture, reweighting=None))
    for spec in (still, fixed):
        run(sweep.place(spec), processor)
    assert read_rows(sweep.place(still)) == read_rows(sweep.place(fixed))
    assert read_rows(sweep.place(still), "train") == read_rows(sweep.place(fixed), "train")
    assert not read_rows(sweep.place(fixed), "mixture")
    state = checkpoint.checkpoint_folder(sweep.place(fixed), 24) / "state.json"
    assert "mixture" not in json.loads(state.read_text())
    assert all(one == other for (_, one), (_, other) in pairwise(shares_of(sweep.place(still))))


def test_a_branch_of_another_mixture_is_refused(
    sweep: TinySweep, processor: Processor, base: RunSpec
) -> None:
    moved, fixed = reweighted(sweep, base), reweighted(sweep, base, None)
    for trunk in (moved, fixed):
        run(sweep.place(trunk), processor)
    for parent, child, words in (
        (moved, fixed, "was reweighted; the run that goes on from it is not"),
        (fixed, moved, "was not reweighted; the run that goes on from it is"),
        (moved, reweighted(sweep, base, replace(RULE, strength=0.4)), "was reweighted from other shares"),
    ):
        branch = sweep.branch(replace(child, slug="child"))
        branch = replace(branch, start=replace(branch.start, run_id=parent.run_id))
        with pytest.raises(DataError, match=words):
            run(sweep.place(branch), processor)
    # from the weights alone it begins anew
    fresh = replace(moved, slug="fresh", kind="run", start=replace(branch.start, mode="weights"))
    run(sweep.place(fresh), processor)
    assert shares_of(sweep.place(fresh))[0] == (0, {"books": 0.375, "notes": 0.125, "law": 0.5})


def test_what_cannot_be_reweighted_is_refused(
    sweep: TinySweep, processor: Processor, base: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = reweighted(sweep, base)
    with pytest.raises(ConfigError, match="after the base"):
        replace(spec, kind="base")
    phases = (*spec.mixture.phases, MixturePhase(8, spec.mixture.phases[0].shares))
    two = replace(spec.mixture, phases=phases)
    with pytest.raises(ConfigError, match="wanted one phase"):
        replace(spec, mixture=two)
    with pytest.raises(ConfigError, match="evaluations every 5"):
        replace(spec, evaluation=replace(spec.evaluation, every=5))
    assert spec.run_id != replace(spec, mixture=replace(spec.mixture, reweighting=None)).run_id
    from dcpt.train import unit

    read = unit.read_heldout
    monkeypatch.setattr(unit, "read_heldout", lambda *given: [x for x in read(*given) if x.name != "law"])
    with pytest.raises(ConfigError, match="no loss of corpus 'law' is measured"):
        run(sweep.place(spec), processor)
