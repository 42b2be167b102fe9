"""The history of a reweighted mixture: rounding evens out, and a file gives it back."""

from __future__ import annotations

import json

import pytest

from dcpt.core.mixture import MixturePhase, MixtureSpec
from dcpt.core.mixture_history import MixtureHistory, begin_history, record_losses, update_mixture
from dcpt.core.mixture_reweighting import ReweightingSpec
from dcpt.core.run_spec import (
    CorpusRef,
    EvaluationSpec,
    ModelSpec,
    OptimizerSpec,
    RunSpec,
    from_dict,
    to_dict,
)
from dcpt.core.schedule import Schedule

ROLES = {"books": "general", "notes": "general", "law": "domain"}


def spec(strength: float) -> RunSpec:
    phase = MixturePhase(0, {"books": 0.525, "notes": 0.175, "law": 0.3})
    rule = ReweightingSpec(4, strength, window=2)
    return RunSpec(
        slug="x",
        kind="run",
        size="s",
        model=ModelSpec("llama"),
        corpora=tuple(CorpusRef(name, role, "0") for name, role in ROLES.items()),
        tokenizer_hash="t",
        mixture=MixtureSpec(ROLES, (phase,), 1, 8, reweighting=rule),
        context=16,
        batch=8,
        schedule=Schedule("constant", 1e-3, 400),
        optimizer=OptimizerSpec(),
        evaluation=EvaluationSpec(4, 16),
        seed=1,
    )


def advanced(run: RunSpec, segments: int) -> MixtureHistory:
    history = begin_history(run)
    for number in range(1, segments):
        losses = {"books": 3.0 + 1 / number, "notes": 4.0 - 1 / number, "law": 5.0}
        history = update_mixture(record_losses(history, run, losses), run, 4 * number)
    return history


def test_sequences_that_rounding_keeps_back_come_later() -> None:
    """Of 32 sequences 16.8, 5.6 and 9.6 are wanted: over five segments 84, 28 and 48."""
    history = advanced(spec(0.0), 20)
    for segments in (5, 10, 20):
        for name, whole in (("books", 84), ("notes", 28), ("law", 48)):
            got = sum(32 * segment.shares[name] for segment in history.segments[:segments])
            assert got == whole * segments // 5
    assert [segment.start for segment in history.segments[:3]] == [0, 32, 64]


def test_a_history_read_from_its_file_goes_on_as_if_it_had_not_been_written() -> None:
    run = spec(0.3)
    history = advanced(run, 9)
    assert len(history.recent) == 2
    assert history.first == {"books": 4.0, "notes": 3.0, "law": 5.0}
    again = from_dict(MixtureHistory, json.loads(json.dumps(to_dict(history))), "history")
    assert again == history
    assert update_mixture(again, run, 36) == update_mixture(history, run, 36)
    last = history.segments[-1]
    assert sum(last.shares.values()) == pytest.approx(1, abs=1e-12)
    assert all(abs(last.shares[name] - last.wanted[name]) * 32 < 1 for name in ROLES)
