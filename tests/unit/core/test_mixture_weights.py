"""Weights inside a side: what they may be, and what they do to a run's id."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from dcpt.core.errors import ConfigError
from dcpt.core.files import content_hash
from dcpt.core.mixture import MixturePhase, MixtureSpec
from dcpt.core.run_spec import (
    LATER_FIELDS,
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


def mixture(weights: Mapping[str, float]) -> MixtureSpec:
    shares = {"books": 0.5, "notes": 0.25, "law": 0.25}
    return MixtureSpec(ROLES, (MixturePhase(0, shares),), seed=1, block=8, weights=weights)


def run(weights: Mapping[str, float]) -> RunSpec:
    corpora = tuple(CorpusRef(name, role, "0" * 16) for name, role in ROLES.items())  # type: ignore[arg-type]
    return RunSpec(
        "s", "base", "n", ModelSpec("llama"), corpora, "t", mixture(weights), 16, 8,
        Schedule("constant", 1e-3, 10), OptimizerSpec(), EvaluationSpec(5, 16), 1,
    )  # fmt: skip


@pytest.mark.parametrize(
    "weights",
    [{}, {"books": 0.9, "notes": 0.1}, {"law": 1}, {"books": 1 / 3, "notes": 2 / 3, "law": 1.0}],
)
def test_a_side_is_weighted_whole_or_not_at_all(weights: dict[str, float]) -> None:
    spec = mixture(weights)
    assert dict(spec.weights) == weights
    again = from_dict(MixtureSpec, json.loads(json.dumps(to_dict(spec))), "spec.json")
    assert again == spec


@pytest.mark.parametrize(
    "weights",
    [{"books": 1.0}, {"books": 0.5, "notes": 0.4}, {"poems": 1.0}, {"books": 1.5, "notes": -0.5}],
)
def test_other_weights_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="weights"):
        mixture(weights)


def test_empty_weights_leave_the_id_what_it_was_before_there_were_any() -> None:
    spec = run({})
    document = to_dict(spec)
    for part, names in LATER_FIELDS.items():
        for name in names if document[part] is not None else ():
            del document[part][name]
    assert from_dict(RunSpec, document, "spec.json") == spec
    del document["slug"]
    assert spec.run_id == f"s-{content_hash(document, 8)}"


def test_weights_are_part_of_the_id() -> None:
    ids = {run(w).run_id for w in ({}, {"law": 1.0}, {"books": 0.9, "notes": 0.1})}
    assert len(ids) == 3
    assert replace(run({}), mixture=mixture({"law": 1})).run_id in ids
