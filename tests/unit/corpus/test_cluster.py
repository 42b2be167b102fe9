"""Clustering a corpus into domains: known topics come back, files are whole and the same each time."""

from __future__ import annotations

import gzip
import json
import random
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dcpt.core.errors import ConfigError, DataError
from dcpt.corpus.cluster import ClusterSettings, cluster_corpus, corpus_entries
from dcpt.corpus.cluster_centres import find_clusters
from dcpt.corpus.cluster_features import embed
from dcpt.corpus.cluster_files import names_of
from dcpt.corpus.cluster_source import source_of
from dcpt.corpus.spec import CorpusSpec, SourceSpec

pytest.importorskip("sklearn", reason="clustering is an optional extra")

TOPICS = {
    "court": [
        "court",
        "judge",
        "clause",
        "party",
        "appeal",
        "statute",
        "order",
        "claim",
        "verdict",
        "counsel",
        "evidence",
        "plaintiff",
    ],
    "cell": [
        "cell",
        "protein",
        "gene",
        "enzyme",
        "tissue",
        "membrane",
        "receptor",
        "antibody",
        "nucleus",
        "mutation",
        "plasma",
        "organ",
    ],
    "proof": [
        "theorem",
        "lemma",
        "proof",
        "module",
        "ring",
        "morphism",
        "scheme",
        "ideal",
        "kernel",
        "functor",
        "sheaf",
        "algebra",
    ],
}
COMMON = ["the", "of", "and", "to", "in", "that", "with", "from", "which", "between", "about", "other"]


def write_topics(path: Path, documents: int = 80) -> dict[str, str]:
    """JSON lines of three topics in turn; returns text to topic."""
    draw = random.Random(0)
    topic_of = {}
    with open(path, "w", encoding="utf-8") as file:
        for number in range(documents):
            for topic, words in TOPICS.items():
                text = " ".join(draw.choices(words, k=25) + draw.choices(COMMON, k=25)) + f" {number}"
                topic_of[text] = topic
                file.write(json.dumps({"text": text}) + "\n")
    return topic_of


def purity(folder: Path, document: dict[str, Any], topic_of: dict[str, str]) -> float:
    """Share of documents that are in a cluster of mostly their topic; every document is in one cluster."""
    seen: list[str] = []
    right = 0
    for cluster in document["clusters"]:
        with gzip.open(folder / cluster["file"], "rt", encoding="utf-8") as file:
            texts = [json.loads(line)["text"] for line in file]
        assert len(texts) == cluster["documents"]
        assert sum(len(text.encode()) for text in texts) == cluster["bytes"]
        seen += texts
        right += max(Counter(topic_of[text] for text in texts).values())
    assert sorted(seen) == sorted(topic_of)
    return right / len(seen)


@pytest.mark.parametrize(
    "how", [{"clusters": 3}, {}, {"units": "characters", "clusters": 3}, {"sample": 90, "clusters": 3}]
)
def test_topics_come_back(tmp_path: Path, how: dict[str, Any]) -> None:
    topic_of = write_topics(tmp_path / "docs.jsonl")
    source = SourceSpec(kind="jsonl", path="docs.jsonl")
    document = cluster_corpus([source], tmp_path / "out", ClusterSettings(**how), tmp_path)
    assert len(document["clusters"]) == 3
    assert purity(tmp_path / "out", document, topic_of) == 1.0
    if "units" not in how:
        for cluster in document["clusters"]:
            assert any(set(cluster["terms"]) <= set(words) for words in TOPICS.values())
    assert document == json.loads((tmp_path / "out" / "clusters.json").read_text())


def test_the_same_bytes_again_and_old_files_gone(tmp_path: Path) -> None:
    write_topics(tmp_path / "docs.jsonl")
    sources = [SourceSpec(kind="jsonl", path="docs.jsonl")]
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "notes.jsonl.gz").write_bytes(b"mine")
    found = []
    for clusters in (5, 3, 3):
        cluster_corpus(sources, folder, ClusterSettings(clusters=clusters), tmp_path)
        found.append({path.name: path.read_bytes() for path in folder.iterdir()})
        assert len(found[-1]) == clusters + 2
    assert found[1] == found[2]
    assert found[2]["notes.jsonl.gz"] == b"mine"


def test_the_lines_are_corpora_of_a_sweep(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    write_topics(tmp_path / "docs.jsonl")
    source = source_of(tmp_path / "docs.jsonl")
    document = cluster_corpus([source], tmp_path / "out", ClusterSettings(clusters=3), tmp_path)
    entries = yaml.safe_load(corpus_entries(document, "domain", tmp_path / "out"))
    for entry in entries:
        spec = CorpusSpec.model_validate(entry)
        assert spec.role == "domain"
        assert Path(str(spec.source.path)).is_file()
    tokens = [cluster["tokens"] for cluster in document["clusters"]]
    assert all(
        0 < count < cluster["bytes"] for count, cluster in zip(tokens, document["clusters"], strict=True)
    )


def test_real_corpora_come_back(shared: Path, tmp_path: Path) -> None:
    """Law, medicine and mathematics, 150 documents each, mixed: at least 97 of 100 among their own."""
    origin = {}
    with open(tmp_path / "mixed.jsonl", "w", encoding="utf-8") as out:
        for name in ("law", "medical", "math"):
            with gzip.open(shared / "corpora" / name / "train.jsonl.gz", "rt", encoding="utf-8") as file:
                for _ in range(150):
                    text = json.loads(next(file))["text"]
                    origin[text] = name
                    out.write(json.dumps({"text": text}) + "\n")
    source = SourceSpec(kind="jsonl", path="mixed.jsonl")
    document = cluster_corpus([source], tmp_path / "out", ClusterSettings(clusters=3), tmp_path)
    assert purity(tmp_path / "out", document, origin) >= 0.97


def test_merging_finds_clouds_of_unequal_size() -> None:
    draw = np.random.default_rng(0)
    sizes, places = (900, 60, 40), ([0.0, 0.0], [0.0, 4.0], [3.0, 3.0])
    clouds = [draw.normal(place, 0.4, size=(size, 2)) for size, place in zip(sizes, places, strict=True)]
    points = np.concatenate(clouds)
    found = find_clusters(points, 30, 3, 0.0, 0)
    assert [set(found.assign(cloud)) for cloud in clouds] == [{0}, {1}, {2}]
    assert find_clusters(points, 30, None, 0.05, 0).clusters == 3
    assert len(found.losses) == len(found.centres) - 1
    # What all merges lose together is the variance between the centres (Ward 1963).
    nearest = np.argmin(((points[:, None] - found.centres) ** 2).sum(-1), axis=1)
    parts = [points[nearest == place] for place in np.unique(nearest)]
    within = sum(((part - part.mean(axis=0)) ** 2).sum() for part in parts)
    total = ((points - points.mean(axis=0)) ** 2).sum()
    assert sum(found.losses) == pytest.approx(1 - within / total, abs=1e-3)


def test_names_can_name_corpora() -> None:
    names = names_of([["l'été", "Straße"], ["法律"], ["x" * 90, "y"], []])
    assert names == ["c1-lete-strae", "c2", "c3-xxxxxxxxxxxxxxx-y", "c4"]
    for name in names:
        CorpusSpec(name=name, role="domain", source=SourceSpec(kind="text", path="x"))


def test_what_cannot_be_clustered(tmp_path: Path) -> None:
    write_topics(tmp_path / "few.jsonl", documents=2)
    few = [SourceSpec(kind="jsonl", path="few.jsonl")]
    with pytest.raises(DataError, match="6 documents; wanted at least 10"):
        cluster_corpus(few, tmp_path / "out", ClusterSettings(), tmp_path)
    (tmp_path / "same.jsonl").write_text('{"text": "a b c"}\n' * 20)
    same = [SourceSpec(kind="jsonl", path="same.jsonl")]
    with pytest.raises(DataError, match="20 documents share too few words"):
        cluster_corpus(same, tmp_path / "out", ClusterSettings(), tmp_path)
    write_topics(tmp_path / "docs.jsonl", documents=8)
    docs = [SourceSpec(kind="jsonl", path="docs.jsonl")]
    with pytest.raises(ConfigError, match="24 documents; wanted at least 30"):
        cluster_corpus(docs, tmp_path / "out", ClusterSettings(clusters=30), tmp_path)
    with pytest.raises(ConfigError, match=r"has no config\.json"):
        cluster_corpus(docs, tmp_path / "out", ClusterSettings(embed=tmp_path), tmp_path)
    with pytest.raises(ConfigError, match="lies in the folder of the source"):
        cluster_corpus([SourceSpec(kind="jsonl", path=".")], tmp_path / "out", ClusterSettings(), tmp_path)
    assert not list(tmp_path.glob("out/*"))
    for settings in ({"clusters": 0}, {"merge": 1.5}, {"sample": 2}):
        with pytest.raises(ConfigError):
            ClusterSettings(**settings)  # type: ignore[arg-type]
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(DataError, match=r"holds jsonl and text; wanted one kind"):
        source_of(tmp_path)


def test_without_scikit_learn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ConfigError, match="needs scikit-learn") as refused:
        cluster_corpus([], tmp_path, ClusterSettings(), tmp_path)
    assert refused.value.hint == "pip install 'dcpt[mixtures]'"


def test_a_local_model_embeds_in_a_process_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mean of the last hidden states over a document's own tokens: the same without padding or batches.

    The process that is asked for is played by this one, which has loaded torch already.
    """
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers

    from dcpt.train.embed import main

    words = sorted({word for topic in TOPICS.values() for word in topic})
    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", *words])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]"
    )
    tokenizer.save_pretrained(tmp_path / "model")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    network = transformers.BertModel(config).eval()
    network.save_pretrained(tmp_path / "model")
    documents = ["court judge", "cell protein gene enzyme tissue", "proof", "ring ideal " * 20]

    def started(command: list[str], **how: Any) -> Any:
        assert command[:3] == [sys.executable, "-m", "dcpt.train.embed"]
        return SimpleNamespace(returncode=main(command[3:]), stderr="")

    monkeypatch.setattr("dcpt.corpus.cluster_features.subprocess.run", started)
    found = embed(documents, tmp_path / "model")
    assert np.linalg.norm(found, axis=1) == pytest.approx(1)
    for document, row in zip(documents, found, strict=True):
        ids = torch.tensor([[vocabulary[word] for word in document.split()]])
        with torch.inference_mode():
            mean = network(input_ids=ids).last_hidden_state[0].mean(dim=0).double().numpy()
        assert row == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)
    (tmp_path / "model" / "model.safetensors").write_bytes(b"broken")
    (tmp_path / "texts.jsonl").write_text('"court"\n')
    words = [str(tmp_path / name) for name in ("model", "texts.jsonl", "points.npy")]
    assert main(words) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("cannot be used (SafetensorError")
