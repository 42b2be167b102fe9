"""Runs whose loss leaves its level: stopped, tried again, or left alone."""

from __future__ import annotations

import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_sweep import TinySweep, read_rows

from dcpt.core.run_record import RunRecord
from dcpt.core.run_spec import RunSpec
from dcpt.train import unit
from dcpt.train.journal import LOG_EVERY, Journal
from dcpt.train.objective import Objective
from dcpt.train.processor import Processor
from dcpt.train.spike import LEAST, PATIENCE, SHIFT, Spike, SpikeWatch, with_data_order
from dcpt.train.start import start_network
from dcpt.train.unit import run

STEPS = LOG_EVERY * (LEAST + PATIENCE + 3)


def watch_of(folder: Path, spec: RunSpec) -> SpikeWatch:
    return SpikeWatch(spec, Journal(folder, spec))


def spec_of(sweep: TinySweep, on_spike: str = "stop", **changes: Any) -> RunSpec:
    spec = sweep.base(STEPS, **changes)
    return replace(spec, optimizer=replace(spec.optimizer, on_spike=on_spike))


def feed(watch: SpikeWatch, losses: list[float], first: int = 1) -> int | None:
    """Row at which the watch speaks; None when it does not."""
    for number, loss in enumerate(losses, start=first):
        try:
            watch.look(LOG_EVERY * number, float(loss))
        except Spike:
            return number
    return None


def test_only_a_loss_that_stays_away_is_a_spike(sweep: TinySweep, tmp_path: Path) -> None:
    calm = list(3 + 0.05 * np.random.default_rng(0).standard_normal(40))
    spec = spec_of(sweep)
    passing = calm[:20] + [9.0] * (PATIENCE - 1) + calm[20:]
    assert feed(watch_of(tmp_path, spec), passing) is None
    assert feed(watch_of(tmp_path, spec), calm[:20] + [3.9] * 30) is None  # less than the margin: a re-warm
    assert feed(watch_of(tmp_path, spec), calm[:20] + [4.2] * 30) == 20 + PATIENCE
    assert feed(watch_of(tmp_path, replace(spec, optimizer=replace(spec.optimizer, on_spike="ignore"))),
                calm[:20] + [4.2] * 30) is None  # fmt: skip


def test_the_level_is_found_anew_where_the_mixture_changes(sweep: TinySweep, tmp_path: Path) -> None:
    spec = spec_of(sweep)
    first = spec.mixture.phases[0]
    later = replace(first, start=LOG_EVERY * 20 * spec.batch + 1)
    phased = replace(spec, mixture=replace(spec.mixture, phases=(first, later)))
    losses = [3.0] * 20 + [5.0] * 20
    assert feed(watch_of(tmp_path, spec), losses) == 20 + PATIENCE
    assert feed(watch_of(tmp_path, phased), losses) is None


def test_a_resumed_run_is_judged_by_what_it_has_logged(sweep: TinySweep, tmp_path: Path) -> None:
    spec = spec_of(sweep)
    losses = [3.0] * 10 + [6.0] * 3
    journal = Journal(tmp_path, spec)
    for number, loss in enumerate(losses, start=1):
        journal.log_training(LOG_EVERY * number, loss, 1.0, 1.0)
    assert feed(watch_of(tmp_path, spec), [6.0] * 5, first=14) == 15


@pytest.fixture
def spiky(monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses of the first order of data jump by four nats after eight logged rows."""
    judged = SpikeWatch.look

    def look(watch: SpikeWatch, step: int, loss: float) -> None:
        seed = watch.seed if hasattr(watch, "seed") else 0
        judged(watch, step, loss + 4.0 * (step > LOG_EVERY * LEAST and seed < SHIFT))

    made = SpikeWatch.__init__

    def init(watch: SpikeWatch, spec: RunSpec, journal: Journal) -> None:
        made(watch, spec, journal)
        watch.seed = spec.mixture.seed  # type: ignore[attr-defined]

    monkeypatch.setattr(SpikeWatch, "__init__", init)
    monkeypatch.setattr(SpikeWatch, "look", look)


@pytest.mark.usefixtures("spiky")
def test_a_spike_abandons_the_run_and_says_when(sweep: TinySweep, processor: Processor) -> None:
    folder = sweep.place(spec_of(sweep))
    record = run(folder, processor)
    assert record.status == "abandoned"
    assert record.steps == LOG_EVERY * (LEAST + PATIENCE)
    # the first word keeps the sweep from trying the same spec again
    assert record.reason.startswith("diverged: the training loss spiked to ")
    assert RunRecord.load(folder) == record


@pytest.mark.usefixtures("spiky")
def test_one_retry_meets_other_data_and_is_recorded(
    sweep: TinySweep, processor: Processor, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(sweep, "retry")
    folder = sweep.place(spec)
    made: list[weakref.ref[Any]] = []

    def start(*places: Any) -> Any:
        assert not any(network() for network in made), "two networks at a time"
        network = start_network(*places)
        made.append(weakref.ref(network))
        return network

    monkeypatch.setattr(unit, "start_network", start)
    record = run(folder, processor)
    assert len(made) == 2
    assert record.status == "finished"
    assert record.reason.startswith("trained anew with its data in another order: diverged: the training")
    assert [row["shift"] for row in read_rows(folder, "retry")] == [SHIFT]
    again = with_data_order(folder, spec)
    assert again.mixture.seed == spec.mixture.seed + SHIFT
    # the losses are those of a run that had this order from the beginning
    other = sweep.place(replace(again, slug="other", optimizer=replace(spec.optimizer, on_spike="ignore")))
    run(other, processor)
    assert read_rows(other) == read_rows(folder)
    # what starts from it holds back the text that it has seen, in the order it has seen it
    child = sweep.trunk(replace(spec, keep=(STEPS,)), steps=8)
    child = replace(child, start=replace(child.start, run_id=folder.name))  # type: ignore[arg-type]
    assert with_data_order(sweep.place(child), child).mixture.skip_seed == child.mixture.skip_seed + SHIFT


def test_the_default_leaves_run_ids_and_other_choices_change_them(sweep: TinySweep) -> None:
    ids = {spec_of(sweep, choice).run_id for choice in ("stop", "retry", "ignore")}
    assert sweep.base(STEPS).run_id in ids
    assert len(ids) == 3


def test_a_spike_reads_the_loss_the_step_saw(
    sweep: TinySweep, processor: Processor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same through the network's own loss: the objective is what goes wrong."""
    calls = iter(range(10**6))
    honest = Objective.__call__

    def failing(objective: Objective, tokens: Any) -> Any:
        return honest(objective, tokens) + 5.0 * (next(calls) >= LOG_EVERY * LEAST)

    monkeypatch.setattr(Objective, "__call__", failing)
    record = run(sweep.place(spec_of(sweep)), processor)
    assert (record.status, record.steps) == ("abandoned", LOG_EVERY * (LEAST + PATIENCE))
