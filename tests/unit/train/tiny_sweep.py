"""A sweep folder in miniature: random tokens with a pattern to learn, models of a few thousand parameters."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dcpt.core import files
from dcpt.core.mixture import MixturePhase, MixtureSpec
from dcpt.core.run_spec import (
    CorpusRef,
    EvaluationSpec,
    ModelSpec,
    OptimizerSpec,
    RunSpec,
    StartSpec,
    to_dict,
)
from dcpt.core.schedule import Schedule
from dcpt.corpus.shards import Corpus, Leakage, SplitInfo, write_corpus

VOCAB, CONTEXT, BATCH = 32, 16, 8
TOKENIZER = "0123456789abcdef"

LLAMA: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": CONTEXT,
    "tie_word_embeddings": False,
    "bos_token_id": None,
    "eos_token_id": 0,
}


def write_tokens(
    root: Path, name: str, role: str, stride: int, seed: int, train: int = 6000, certainty: float = 0.75
) -> CorpusRef:
    """Lay out a corpus whose tokens advance by `stride` three times out of four, or as often as told."""
    folder = root / "corpus" / name
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    splits = {}
    for split, size in (("train", train), ("heldout", 800)):
        jumps = np.where(random.random(size) < certainty, stride, random.integers(0, VOCAB, size))
        tokens = (np.cumsum(jumps) % VOCAB).astype("<u2")
        (folder / f"{split}.bin").write_bytes(tokens.tobytes())
        digest = hashlib.sha256(tokens.tobytes()).hexdigest()
        splits[split] = SplitInfo(documents=10, tokens=size, bytes=int(2.5 * size), sha256=digest)
    corpus = Corpus(
        name,
        role,
        TOKENIZER,
        VOCAB,
        0,
        "uint16",
        splits["train"],
        splits["heldout"],  # type: ignore[arg-type]
        Leakage(13, 0, None, 0, 0),
    )
    write_corpus(folder, corpus)
    return CorpusRef(name, role, corpus.hash)  # type: ignore[arg-type]


class TinySweep:
    """Corpora ``books`` and ``notes`` (general) and ``law`` (domain) under a root, and specs on them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.corpora = (
            write_tokens(root, "books", "general", 1, 1),
            write_tokens(root, "notes", "general", 2, 2, train=3000),
            write_tokens(root, "law", "domain", 5, 3),
        )

    def mixture(self, r: float, seed: int = 1) -> MixtureSpec:
        """Domain share r; ``books`` gets 3/4 of the general side."""
        shares = {"books": 0.75 * (1 - r), "notes": 0.25 * (1 - r), "law": r}
        return MixtureSpec(
            {ref.name: ref.role for ref in self.corpora}, (MixturePhase(0, shares),), seed, block=8
        )

    def base(self, steps: int = 20, **changes: Any) -> RunSpec:
        """A base of `steps` steps on the general corpora."""
        spec = RunSpec(
            slug="base",
            kind="base",
            size="tiny",
            model=ModelSpec("llama", LLAMA),
            corpora=self.corpora,
            tokenizer_hash=TOKENIZER,
            mixture=self.mixture(0.0),
            context=CONTEXT,
            batch=BATCH,
            schedule=Schedule("constant", 3e-3, steps, warmup=min(4, steps)),
            optimizer=OptimizerSpec(),
            evaluation=EvaluationSpec(every=10, sequences=16, ends=(steps,)),
            seed=1,
            keep=(steps,),
        )
        return replace(spec, **changes)

    def trunk(self, base: RunSpec, steps: int = 24, r: float = 0.25) -> RunSpec:
        """The constant-rate part that branches share."""
        return replace(
            base,
            slug="trunk",
            kind="trunk",
            mixture=self.mixture(r, seed=2),
            schedule=Schedule("constant", 3e-3, steps, warmup=4),
            evaluation=EvaluationSpec(every=8, sequences=16),
            start=StartSpec(base.run_id, base.schedule.steps, "weights"),
            tokens_before=base.schedule.steps * base.tokens_per_step,
            keep=(steps,),
        )

    def whole(self, trunk: RunSpec, decay: int = 8) -> RunSpec:
        """The independent WSD run whose plateau is the trunk."""
        steps = trunk.schedule.steps + decay
        return replace(
            trunk,
            slug="whole",
            kind="run",
            schedule=Schedule("wsd", 3e-3, steps, warmup=4, decay=decay),
            evaluation=replace(trunk.evaluation, ends=(steps,)),
            keep=(),
        )

    def branch(self, trunk: RunSpec, decay: int = 8) -> RunSpec:
        """The same WSD run, continued from the trunk."""
        return replace(
            self.whole(trunk, decay),
            slug="branch",
            kind="branch",
            start=StartSpec(trunk.run_id, trunk.schedule.steps, "continue"),
        )

    def place(self, spec: RunSpec) -> Path:
        """Write a spec into its run folder."""
        folder = self.root / "runs" / spec.run_id
        files.write_json(folder / "spec.json", {"schema_version": 1, **to_dict(spec)})
        return folder


def read_rows(folder: Path, kind: str = "eval") -> list[dict[str, Any]]:
    """Rows of one kind of a run's journal, without the times in them."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        row.pop("tokens_per_second", None)
    return [row for row in rows if row["kind"] == kind]
