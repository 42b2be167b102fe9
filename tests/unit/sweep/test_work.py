"""FLOPs of a run: its steps, and a third of a step's cost for every token it is evaluated on."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tiny_text import CONTEXT, STEP, write_sweep

from dcpt.core.run_spec import EvaluationSpec, RunSpec, StartSpec
from dcpt.core.schedule import Schedule
from dcpt.sweep.prepare import Sweep, prepare
from dcpt.sweep.work import count_evaluations, evaluated_tokens, evaluation_tokens, run_flops


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    return prepare(write_sweep(tmp_path_factory.mktemp("work") / "sweep"))


@pytest.fixture(scope="module")
def some_run(sweep: Sweep) -> RunSpec:
    return sweep.design.runs[1]


steps = st.integers(0, 60)


@given(steps, st.integers(1, 60), st.integers(0, 70), st.lists(steps), st.lists(steps))
def test_evaluations_are_those_the_trainer_makes(
    some_run: RunSpec, first: int, more: int, every: int, also_at: list[int], ends: list[int]
) -> None:
    last = first + more
    plan = EvaluationSpec(every, 8, tuple(also_at), tuple(ends))
    run = replace(
        some_run,
        schedule=Schedule("constant", 1e-3, last),
        evaluation=plan,
        start=StartSpec("x", first, "continue"),
    )
    due = [
        step
        for step in range(first + 1, last + 1)
        if step == last or (every > 0 and step % every == 0) or step in plan.also_at or step in plan.ends
    ]
    assert count_evaluations(run) == len(due)


def test_a_checkpoint_as_base_is_evaluated_once(some_run: RunSpec) -> None:
    base = replace(some_run, kind="base", schedule=Schedule("constant", 1e-3, 0), start=None)
    assert count_evaluations(base) == 1


def test_flops_of_a_run(sweep: Sweep, some_run: RunSpec) -> None:
    """A trunk of 24 steps, evaluated at 10, 16, 20 and 24 on 16 windows of each corpus."""
    assert (some_run.kind, some_run.schedule.steps, some_run.evaluation.also_at) == ("trunk", 24, (16, 24))
    corpora = sweep.design.corpora
    assert evaluation_tokens(some_run, corpora) == 2 * 16 * CONTEXT
    assert run_flops(some_run, 3.0, corpora) == pytest.approx(3 * 24 * STEP + 4 * 2 * 16 * CONTEXT)
    many = replace(some_run, evaluation=replace(some_run.evaluation, sequences=10**6))
    there = sum((corpus.heldout.tokens - 1) // CONTEXT for corpus in corpora.values())
    assert evaluation_tokens(many, corpora) == there * CONTEXT


def test_dense_evaluations_are_cheaper_than_ends(sweep: Sweep, some_run: RunSpec) -> None:
    """Of a trunk evaluated at 10, 16, 20 and 24, the last an end: 16 windows there, 8 elsewhere."""
    plan = replace(some_run.evaluation, dense_sequences=8, ends=(24,))
    run = replace(some_run, evaluation=plan)
    assert evaluated_tokens(run, sweep.design.corpora) == 2 * (16 + 3 * 8) * CONTEXT
    assert run_flops(run, 3.0, sweep.design.corpora) == pytest.approx(3 * 24 * STEP + 2 * 40 * CONTEXT)
    base = replace(run, kind="base", schedule=Schedule("constant", 1e-3, 0), start=None)
    assert evaluated_tokens(base, sweep.design.corpora) == 2 * 16 * CONTEXT


def test_the_work_of_a_design(sweep: Sweep, tmp_path: Path) -> None:
    design = sweep.design
    assert list(design.work) == [run.run_id for run in design.runs]
    assert design.work[design.runs[1].run_id] == design.flops(design.runs[1])
