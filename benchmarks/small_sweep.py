"""A sweep on texts drawn from a few words: what benchmarks of the runner run."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dcpt.core.files import write_text

GENERAL = "the river ran past old house and a dog slept near door while rain fell on green hill"
DOMAIN = "section shall apply where person under act liable court order notice clause party law"


def write_small_sweep(
    folder: Path,
    *,
    sizes: Sequence[tuple[int, int]] = ((16, 1),),
    ratios: Sequence[float] = (0.2, 0.4, 0.6, 0.8),
    budgets: Sequence[int] = (40, 60),
    seeds: int = 1,
    context: int = 16,
    batch: int = 4,
    evaluate_every: int = 10,
    documents: int = 120,
    sequences: int = 16,
) -> Path:
    """Write ``sweep.yaml`` and its two texts.

    Parameters
    ----------
    folder : path
        Where to.
    sizes : sequence of (int, int)
        Width and layers of each network.
    ratios : sequence of float
        Domain shares.
    budgets : sequence of int
        Steps of continual pre-training.
    seeds : int
        Seeds 0, 1, ... of every size.
    context, batch : int
        Tokens of a sequence, sequences of a step.
    evaluate_every : int
        Steps between two evaluations, and two checkpoints.
    documents : int
        Documents of 60 words in each text.
    sequences : int
        Held-out windows of an evaluation.
    """
    step = context * batch
    for name, words, seed in (("prose", GENERAL, 1), ("law", DOMAIN, 2)):
        draw = random.Random(seed)
        lines = [" ".join(draw.choices(words.split(), k=60)) + f" {number}." for number in range(documents)]
        write_text(folder / f"{name}.jsonl", "".join(json.dumps({"text": line}) + "\n" for line in lines))
    wsd = {"kind": "wsd", "warmup_tokens": 4 * step, "decay_share": 0.2}
    document: dict[str, Any] = {
        "schema_version": 1,
        "name": "small",
        "corpora": [
            {
                "name": name,
                "role": role,
                "source": {"kind": "jsonl", "path": f"{name}.jsonl"},
                "heldout_share": 0.2,
            }
            for name, role in (("prose", "general"), ("law", "domain"))
        ],
        "tokenizer": {"kind": "bpe", "vocab_size": 300},
        "model": {
            "family": "llama",
            "context": context,
            "sizes": [
                {"name": f"h{hidden}x{layers}", "hidden": hidden, "layers": layers, "inner": 2 * hidden}
                for hidden, layers in sizes
            ],
        },
        "batch": batch,
        "base": {"tokens": max(budgets) * step, "schedule": {**wsd, "peak": 3e-3}},
        "cpt": {
            "ratios": list(ratios),
            "seeds": list(range(seeds)),
            "budgets": [steps * step for steps in budgets],
            "schedule": {**wsd, "peak": 1e-3},
        },
        "evaluation": {"every_tokens": evaluate_every * step, "sequences": sequences},
    }
    # JSON is YAML; the sweep file's own reader takes it.
    write_text(folder / "sweep.yaml", json.dumps(document, indent=1) + "\n")
    return folder
