"""Corpus weights of a sweep file reach every run, and the pooled losses of each are the same quantity."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tiny_text import CONTEXT, GENERAL, tiny_document, write_documents, write_sweep

from dcpt.core.run_spec import RunSpec
from dcpt.sweep.prepare import prepare


def runs_with(folder: Path, weights: dict[str, float]) -> tuple[RunSpec, ...]:
    document = tiny_document()
    prose, law = document["corpora"]
    notes = {**prose, "name": "notes", "source": {"kind": "jsonl", "path": "notes.jsonl"}}
    corpora: list[dict[str, Any]] = [prose, notes, law]
    document["corpora"] = [
        {**corpus, **({"weight": weights[corpus["name"]]} if corpus["name"] in weights else {})}
        for corpus in corpora
    ]
    document["cpt"] = {**document["cpt"], "ratios": [0, 0.25, 1], "max_epochs": 20}
    (folder / "sweep.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    return prepare(folder).design.runs


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_sweep(tmp_path_factory.mktemp("weights") / "sweep")
    write_documents(folder / "notes.jsonl", GENERAL, documents=40, seed=3)
    return folder


def test_base_ends_and_inner_runs_carry_the_same_weights(folder: Path) -> None:
    read_heldout = pytest.importorskip("dcpt.train.evaluate").read_heldout
    open_corpora = pytest.importorskip("dcpt.train.inputs").open_corpora
    runs = runs_with(folder, {"prose": 1.0, "notes": 3.0})
    assert {run.kind for run in runs} >= {"base", "trunk", "branch"}
    assert {run.r for run in runs if run.kind != "base"} == {0.0, 0.25, 1.0}
    for run in runs:
        assert dict(run.mixture.weights) == {"prose": 0.25, "notes": 0.75}
        sets = read_heldout(open_corpora(folder, run), run.mixture, CONTEXT, 8)
        assert {item.name: item.weight for item in sets} == {"prose": 0.25, "notes": 0.75, "law": 1.0}


def test_without_weights_the_sides_are_pooled_by_training_tokens(folder: Path) -> None:
    read_heldout = pytest.importorskip("dcpt.train.evaluate").read_heldout
    open_corpora = pytest.importorskip("dcpt.train.inputs").open_corpora
    runs = runs_with(folder, {})
    assert all(not run.mixture.weights for run in runs)
    for run in runs:
        corpora = open_corpora(folder, run)
        sizes = {name: corpora[name].info.train.tokens for name in ("prose", "notes")}
        found = {item.name: item.weight for item in read_heldout(corpora, run.mixture, CONTEXT, 8)}
        assert found["prose"] == sizes["prose"] / sum(sizes.values())
        assert found["law"] == 1.0
