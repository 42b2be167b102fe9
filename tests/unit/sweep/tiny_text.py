"""A sweep file on two corpora of a few hundred sentences, for a network of a few thousand parameters."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import yaml

GENERAL = "the river ran past old house and a dog slept near door while rain fell on green hill"
DOMAIN = "section shall apply where person under act liable court order notice clause party law"

CONTEXT, BATCH = 16, 4
STEP = CONTEXT * BATCH


def write_documents(path: Path, words: str, documents: int = 80, seed: int = 0) -> Path:
    """JSON lines of sentences drawn from some words, no two documents alike."""
    draw = random.Random(seed)
    with open(path, "w", encoding="utf-8") as file:
        for number in range(documents):
            text = " ".join(draw.choices(words.split(), k=60)) + f" {number}."
            file.write(json.dumps({"text": text}) + "\n")
    return path


def tiny_document(**changes: Any) -> dict[str, Any]:
    """The sweep file as a mapping: one size, two ratios, two budgets; `changes` replace top-level keys."""
    document: dict[str, Any] = {
        "schema_version": 1,
        "name": "tiny",
        "corpora": [
            {
                "name": "prose",
                "role": "general",
                "source": {"kind": "jsonl", "path": "prose.jsonl"},
                "heldout_share": 0.2,
            },
            {
                "name": "law",
                "role": "domain",
                "source": {"kind": "jsonl", "path": "law.jsonl"},
                "heldout_share": 0.2,
            },
        ],
        "tokenizer": {"kind": "bpe", "vocab_size": 300},
        "model": {
            "family": "llama",
            "context": CONTEXT,
            "sizes": [{"name": "small", "hidden": 16, "layers": 1, "inner": 32}],
        },
        "batch": BATCH,
        "base": {
            "tokens": 40 * STEP,
            "schedule": {"kind": "wsd", "peak": 3e-3, "warmup_tokens": 4 * STEP, "decay_share": 0.2},
        },
        "cpt": {
            "ratios": [0.25, 0.8],
            "budgets": [20 * STEP, 30 * STEP],
            "schedule": {"kind": "wsd", "peak": 1e-3, "warmup_tokens": 4 * STEP, "decay_share": 0.2},
        },
        "evaluation": {"every_tokens": 10 * STEP, "sequences": 16},
    }
    return {**document, **changes}


def write_sweep(folder: Path, **changes: Any) -> Path:
    """The texts and the sweep file in a folder; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_documents(folder / "prose.jsonl", GENERAL, seed=1)
    write_documents(folder / "law.jsonl", DOMAIN, seed=2)
    (folder / "sweep.yaml").write_text(
        yaml.safe_dump(tiny_document(**changes), sort_keys=False), encoding="utf-8"
    )
    return folder
