"""``dcpt corpus cluster``: its example, its lines in a sweep file, its mistakes."""

from __future__ import annotations

import json
import random
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("sklearn", reason="clustering is an optional extra")

TOPICS = (
    "court judge clause party appeal statute",
    "cell protein gene enzyme tissue organ",
    "ring ideal lemma",
)


@pytest.fixture
def docs(folder: Path) -> Path:
    """``docs.jsonl``: three topics, 60 documents each."""
    draw = random.Random(0)
    with open("docs.jsonl", "w", encoding="utf-8") as file:
        for number in range(180):
            words = TOPICS[number % 3].split()
            text = " ".join(draw.choices(words, k=40)) + f" the {number}"
            file.write(json.dumps({"text": text}) + "\n")
    return folder / "docs.jsonl"


def example_of(answer: Any) -> list[str]:
    return shlex.split(answer.out.rpartition("Example:\n")[2])[1:]


def test_the_example_gives_lines_of_a_sweep_file(docs: Path, call: Callable[..., Any]) -> None:
    answer = call(*example_of(call("corpus", "cluster", "--help")))
    assert answer.code == 0, answer.err
    entries = yaml.safe_load(answer.out)
    assert [entry["role"] for entry in entries] == ["domain"] * 3
    paths = [Path(entry["source"]["path"]) for entry in entries]
    assert all(path.is_absolute() and path.is_file() for path in paths)  # good in a sweep file anywhere
    assert "terms" in answer.err
    words = example_of(call("corpus", "--help"))
    assert call(*words).code == 2  # they are there already
    document = call(*words, "--force", "--json").document
    assert [cluster["documents"] for cluster in document["clusters"]] == [60, 60, 60]
    assert document["path"] == "domains/clusters.json"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("absent.jsonl",), 3, "absent.jsonl: no such file or folder"),
        (("docs.jsonl", "--clusters", "3", "--merge", "0.1"), 2, "wanted one of them"),
        (("docs.jsonl", "--tokenizer", "tokenizers/mine"), 3, "there is no folder tokenizers/mine"),
        (("docs.jsonl", "--embed", "nowhere"), 2, "no folder of a transformers model"),
        (("docs.jsonl", "--column", "body"), 3, "no column 'body'"),
        (("docs.jsonl", "--tokenizer", "nowhere"), 3, "there is no folder nowhere"),
    ],
)
def test_mistakes(docs: Path, call: Callable[..., Any], words: tuple[str, ...], code: int, said: str) -> None:
    answer = call("corpus", "cluster", *words, "-o", "out")
    assert (answer.code, said in answer.err) == (code, True), answer.err
    assert not list(Path().glob("out/*"))
