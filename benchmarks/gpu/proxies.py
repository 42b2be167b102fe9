"""A sweep to time: small Llama shapes on tokens with a pattern, a ratio per run."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from dcpt.core import files
from dcpt.core.mixture import MixturePhase, MixtureSpec
from dcpt.core.run_spec import CorpusRef, EvaluationSpec, ModelSpec, OptimizerSpec, RunSpec, to_dict
from dcpt.core.schedule import Schedule
from dcpt.corpus.shards import Corpus, Leakage, SplitInfo, write_corpus
from dcpt.train.pack.worklist import Packing
from dcpt.train.processor import Processor
from dcpt.train.serve import Watch, train_one, train_several

TOKENIZER = "0123456789abcdef"

SHAPES: dict[str, tuple[int, int]] = {
    "0.05M": (48, 2),
    "0.1M": (64, 2),
    "0.6M": (128, 3),
    "1M": (160, 3),
    "5M": (256, 6),
    "20M": (448, 8),
    "350M": (1024, 24),
}
"""Non-embedding parameters, roughly (350M: with embedding and head), to width and layers."""


@dataclass(frozen=True)
class Setting:
    """What is trained.

    Parameters
    ----------
    shape : str
        One of `SHAPES`.
    vocabulary, context, batch, steps : int
        Tokens of the vocabulary, tokens per sequence, sequences per step, steps.
    ratios : int
        Runs, at as many domain shares evenly spaced inside (0, 1).
    every, sequences : int
        Steps between evaluations (and checkpoints), held-out windows per side.
    """

    shape: str
    vocabulary: int = 256
    context: int = 64
    batch: int = 8
    steps: int = 60
    ratios: int = 9
    every: int = 20
    sequences: int = 32

    @property
    def config(self) -> dict[str, object]:
        """Fields of the Llama configuration."""
        width, layers = SHAPES[self.shape]
        heads = max(1, width // 64) if width >= 128 else 2
        while width % heads or width // heads % 2:
            heads -= 1
        return {
            "vocab_size": self.vocabulary,
            "hidden_size": width,
            "intermediate_size": _inner(width),
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": heads,
            "max_position_embeddings": self.context,
            "tie_word_embeddings": False,
            "bos_token_id": None,
            "eos_token_id": 0,
        }

    @property
    def brief(self) -> Setting:
        """The same shape for a few steps: what loads libraries and chooses kernels."""
        steps = min(20, self.steps)
        return replace(self, steps=steps, every=steps)

    @property
    def tokens(self) -> int:
        """Training tokens of a run."""
        return self.steps * self.batch * self.context


class Proxies:
    """Runs of a setting under a folder.

    Parameters
    ----------
    root : path
        An empty folder.
    setting : Setting
        What is trained.
    """

    def __init__(self, root: Path, setting: Setting) -> None:
        self.root, self.setting = root, setting
        size = max(200_000, 2 * setting.tokens)
        self.corpora = tuple(
            _write_corpus(root, name, role, stride, setting.vocabulary, size, setting)
            for name, role, stride in (("books", "general", 1), ("law", "domain", 5))
        )

    def specs(self, seeds: Sequence[int] = (1,)) -> list[RunSpec]:
        """A run per ratio and seed, each from weights drawn by its seed."""
        ratios = [(index + 1) / (self.setting.ratios + 1) for index in range(self.setting.ratios)]
        return [self.spec(r, seed) for seed in seeds for r in ratios]

    def spec(self, r: float, seed: int) -> RunSpec:
        """One run."""
        setting = self.setting
        roles = {ref.name: ref.role for ref in self.corpora}
        return RunSpec(
            slug=f"r{r:.2f}-s{seed}",
            kind="run",
            size=setting.shape,
            model=ModelSpec("llama", setting.config),
            corpora=self.corpora,
            tokenizer_hash=TOKENIZER,
            mixture=MixtureSpec(roles, (MixturePhase(0, {"books": 1 - r, "law": r}),), seed, block=64),
            context=setting.context,
            batch=setting.batch,
            schedule=Schedule(
                "wsd", 1e-3, setting.steps, warmup=min(10, setting.steps // 4), decay=setting.steps // 5
            ),
            optimizer=OptimizerSpec(),
            evaluation=EvaluationSpec(setting.every, setting.sequences, ends=(setting.steps,)),
            seed=seed,
        )

    def place(self, specs: Sequence[RunSpec]) -> list[Path]:
        """Lay out the folders of runs."""
        folders = []
        for spec in specs:
            folder = self.root / "runs" / spec.run_id
            files.write_json(folder / "spec.json", {"schema_version": 1, **to_dict(spec)})
            folders.append(folder)
        return folders


def train(folders: Sequence[Path], processor: Processor, packing: Packing | None) -> None:
    """Train runs to their ends, as a worker does: one after another, or packed.

    Raises
    ------
    RuntimeError
        When one of them did not finish.
    """
    watch, failed = Watch(None), []

    def listen(event: dict[str, object]) -> None:
        if event["event"] == "failed":
            failed.append(event)

    if packing is None:
        for folder in folders:
            train_one(folder, processor, listen, watch)
    else:
        train_several(folders, processor, listen, watch, packing)
    if processor.device.type == "cuda":
        torch.cuda.synchronize()
    if failed:
        raise RuntimeError(f"run {failed[0]['run_id']} did not finish: {failed[0]['reason']}")


def _inner(width: int) -> int:
    """Width of the gated MLP: 8/3 of the model's, for large ones up to whole tiles of the matrix units."""
    return -(-width * 8 // (3 * 128)) * 128 if width >= 1024 else max(32, round(width * 8 / 3 / 32) * 32)


def _write_corpus(
    root: Path, name: str, role: str, stride: int, vocabulary: int, size: int, setting: Setting
) -> CorpusRef:
    """Tokens that advance by `stride` three times out of four."""
    folder = root / "corpus" / name
    folder.mkdir(parents=True)
    random = np.random.default_rng(stride)
    splits = {}
    for split, count in (("train", size), ("heldout", (setting.sequences + 1) * setting.context)):
        jumps = np.where(random.random(count) < 0.75, stride, random.integers(0, vocabulary, count))
        content = (np.cumsum(jumps) % vocabulary).astype("<u2").tobytes()
        (folder / f"{split}.bin").write_bytes(content)
        splits[split] = SplitInfo(10, count, 3 * count, hashlib.sha256(content).hexdigest())
    info = Corpus(
        name, role, TOKENIZER, vocabulary, 0, "uint16", splits["train"], splits["heldout"],  # type: ignore[arg-type]
        Leakage(13, 0, None, 0, 0),
    )  # fmt: skip
    write_corpus(folder, info)
    return CorpusRef(name, role, info.hash)  # type: ignore[arg-type]
