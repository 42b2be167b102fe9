"""What a sweep is refused for before it starts, and what it is told."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tiny_text import tiny_document, write_sweep

from dcpt.cli.sweep import describe, summary
from dcpt.core.errors import ConfigError, DataError
from dcpt.core.run_spec import ModelSpec
from dcpt.corpus.shards import Corpus
from dcpt.run import store
from dcpt.sweep import ladder
from dcpt.sweep.notes import notes_of
from dcpt.sweep.prepare import prepare
from dcpt.sweep.price import price


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_sweep(tmp_path_factory.mktemp("checks") / "sweep")
    prepare(folder)
    return folder


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "sweep"))


def write(folder: Path, document: dict[str, Any]) -> None:
    (folder / "sweep.yaml").write_text(yaml.safe_dump(document, sort_keys=False))


def test_too_little_held_out_text(folder: Path) -> None:
    """Every run is measured on it, and would end there."""
    (folder / "short.jsonl").write_text(json.dumps({"text": "section shall apply"}) + "\n")
    document = tiny_document()
    del document["corpora"][1]["heldout_share"]
    document["corpora"][1]["heldout"] = {"kind": "jsonl", "path": "short.jsonl"}
    write(folder, document)
    with pytest.raises(
        ConfigError, match=r"corpus 'law': its held-out text of \d+ tokens has \d windows of 16"
    ):
        prepare(folder)


def test_fewer_held_out_windows_than_asked_for(folder: Path) -> None:
    document = tiny_document()
    document["evaluation"]["sequences"] = 10**6
    write(folder, document)
    notes = [note for note in prepare(folder).notes if "evaluation.sequences asks for 1000000" in note]
    assert [note.split(":")[0] for note in notes] == ["corpus 'prose'", "corpus 'law'"]


def with_leakage(corpus: Corpus, overlap: float | None, others: float | None) -> Corpus:
    return replace(corpus, leakage=replace(corpus.leakage, overlap=overlap, overlap_others=others))


def test_leakage_is_told(tiny: Path) -> None:
    sweep = prepare(tiny)
    corpora = sweep.design.corpora
    leaky = {
        "prose": with_leakage(corpora["prose"], 0.1234, 0.2),
        "law": with_leakage(corpora["law"], None, None),
    }
    design = replace(sweep.design, corpora=leaky)
    told = replace(sweep, design=design, notes=tuple(notes_of(sweep.spec, design)))
    text = summary(told, price(told))
    assert "12.3 % of held-out 13-grams also in train, 20.0 % in the other corpora's" in text
    assert "note: corpus 'prose': 12.3 % of its held-out 13-grams also stand in its training text" in text
    assert "note: corpus 'prose': 20.0 % of its held-out 13-grams also stand in the other corpora's" in text
    document = describe(told, price(told))
    assert document["corpora"]["prose"]["leakage"]["overlap"] == 0.1234
    assert document["corpora"]["law"]["leakage"]["overlap_others"] is None
    design = replace(sweep.design, corpora={"prose": with_leakage(corpora["prose"], 0.1, 0.1)})
    assert not [note for note in notes_of(sweep.spec, design) if "13-grams" in note]


def write_checkpoint(folder: Path, weights: bytes = b"weights") -> None:
    """A folder as save_pretrained leaves it, as far as a sweep looks before it trains."""
    folder.mkdir(parents=True)
    config = {"model_type": "llama", "vocab_size": 300, "hidden_size": 8, "max_position_embeddings": 64}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(weights)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainer's counts, without the trainer: every checkpoint has 10 parameters."""

    def count(models: dict[str, ModelSpec], root: Path) -> dict[str, dict[str, int]]:
        return {name: {"embedding": 1, "attention": 10, "head": 1} for name in models}

    monkeypatch.setattr(ladder, "count_by_trainer", count)


def with_checkpoints(folder: Path, *places: str) -> None:
    document = tiny_document()
    document["model"]["sizes"] = [
        {"name": f"c{number}", "checkpoint": place} for number, place in enumerate(places)
    ]
    write(folder, document)


@pytest.mark.usefixtures("counted")
def test_two_checkpoints_of_one_size(folder: Path) -> None:
    write_checkpoint(folder / "one")
    write_checkpoint(folder / "two", b"others")
    with_checkpoints(folder, "one", "two")
    with pytest.raises(ConfigError, match="sizes 'c0' and 'c1' have the same N = 10") as refused:
        prepare(folder)
    assert "put each checkpoint into a sweep of its own" in str(refused.value)


@pytest.mark.usefixtures("counted")
def test_a_sweep_with_a_checkpoint_can_be_moved(folder: Path, tmp_path: Path) -> None:
    """Its runs keep their ids, inside the folder or beside it; the weights change them."""
    write_checkpoint(folder / "model")
    with_checkpoints(folder, "model")
    runs = prepare(folder).design.runs
    assert runs[0].model.checkpoint == "model"
    assert runs[1].mixture.skip == {}
    ids = [run.run_id for run in runs]
    moved = Path(shutil.move(folder, tmp_path / "moved"))
    assert [run.run_id for run in prepare(moved).design.runs] == ids
    outside = Path(shutil.move(moved / "model", tmp_path / "model"))
    with_checkpoints(moved, str(outside))
    again = prepare(moved).design.runs
    assert again[0].model.checkpoint == outside.resolve().as_posix()
    assert [run.run_id for run in again] == ids
    (outside / "model.safetensors").write_bytes(b"trained on")
    assert not {run.run_id for run in prepare(moved).design.runs} & set(ids)


@pytest.mark.usefixtures("counted")
def test_a_run_is_told_where_its_checkpoint_went(folder: Path) -> None:
    write_checkpoint(folder / "model")
    with_checkpoints(folder, "model")
    base = prepare(folder).design.runs[0]
    place = store.write_spec(folder, base)
    moved = replace(base, model=replace(base.model, checkpoint="/elsewhere"))
    assert store.write_spec(folder, moved) == place
    assert store.read_spec(place).model.checkpoint == "/elsewhere"
    path = place / "spec.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(DataError, match="it was changed by hand"):
        store.write_spec(folder, base)
