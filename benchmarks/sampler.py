"""Batches of a mixture: tokens per second of one core, and how exactly they hold the shares.

python -m benchmarks.sampler [--context 128] [--batch 16] [--steps 2000] [--repeats 5] [--json]

Three corpora of random tokens on the disk, two general and a domain. Timed is what a trainer calls: the
token ids of one step after another, in CPU time, so that other programs on the machine hardly count.
Checked at every step: how far each corpus' sequences so far are from share times sequences, and that what
the ranks of any world size read, put together, is the batch of one.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.measure import best_of, report, run
from dcpt.core.mixture import MixturePhase, MixtureSpec
from dcpt.corpus.batches import BatchReader
from dcpt.corpus.sampler import MixtureSampler
from dcpt.corpus.shards import Corpus, Leakage, SplitInfo, open_corpus, write_corpus

VOCAB = 4096
CORPORA = {"web": ("general", 8_000_000), "books": ("general", 3_000_000), "law": ("domain", 5_000_000)}
SHARES = ((0.61, 0.1, 0.29), (0.3, 0.2, 0.5), (0.003, 0.001, 0.996))
WORLDS = (1, 2, 4, 8, 16)


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    made.add_argument("--context", type=int, default=128)
    made.add_argument("--batch", type=int, default=16)
    made.add_argument("--steps", type=int, default=2000)
    made.add_argument("--repeats", type=int, default=5)
    made.add_argument("--json", action="store_true", help="print nothing but the JSON line")
    options = made.parse_args()
    context, batch, steps = options.context, options.batch, options.steps
    with tempfile.TemporaryDirectory(prefix="dcpt-sampler-") as name:
        corpora = {key: _write(Path(name), key, number) for number, key in enumerate(CORPORA)}
        windows = {key: corpus.n_windows(context) for key, corpus in corpora.items()}
        worst, worlds, seconds = 0.0, set(WORLDS), []
        for seed, shares in enumerate(SHARES):
            spec = MixtureSpec(
                {key: role for key, (role, _) in CORPORA.items()},  # type: ignore[misc]
                (MixturePhase(0, dict(zip(CORPORA, shares, strict=True))),),
                seed,
                block=batch,
            )
            sampler = MixtureSampler(spec, windows)
            worst = max(worst, _worst_error(sampler, batch, steps))
            worlds &= {world for world in WORLDS if not batch % world and _same(sampler, batch, world)}

            def read(spec: MixtureSpec = spec) -> None:
                reader = BatchReader(corpora, MixtureSampler(spec, windows), context, batch)
                for step in range(1, steps + 1):
                    reader.batch(step)

            best, _ = best_of(read, options.repeats)
            seconds.append(best.cpu)
    rate = batch * context * steps / np.median(seconds)
    report(
        {
            "context": context,
            "batch": batch,
            "steps": steps,
            "tokens_per_second": round(rate),
            "seconds_per_batch": float(f"{np.median(seconds) / steps:.3g}"),
            "largest_error_sequences": round(worst, 4),
            "world_sizes": sorted(worlds),
        },
        options.json,
        [
            f"{rate / 1e6:.1f} million tokens per second of one core at context {context}, batch {batch} "
            f"({1e6 * np.median(seconds) / steps:.0f} us a batch)",
            f"at no step of {steps} is a corpus more than {worst:.3f} sequences from its share",
            f"the same batches from {', '.join(map(str, sorted(worlds)))} ranks",
        ],
    )


def _write(root: Path, name: str, seed: int) -> object:
    role, size = CORPORA[name]
    folder = root / name
    folder.mkdir()
    draw = np.random.default_rng(seed)
    splits = {}
    for split, count in (("train", size), ("heldout", 10_000)):
        data = draw.integers(0, VOCAB, count).astype("<u2").tobytes()
        (folder / f"{split}.bin").write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        splits[split] = SplitInfo(documents=1, tokens=count, bytes=3 * count, sha256=digest)
    known = Corpus(
        name,
        role,  # type: ignore[arg-type]
        "0123456789abcdef",
        VOCAB,
        0,
        "uint16",
        splits["train"],
        splits["heldout"],
        Leakage(13, 0, None, 0, 0),
    )
    write_corpus(folder, known)
    return open_corpus(folder)


def _worst_error(sampler: MixtureSampler, batch: int, steps: int) -> float:
    """Largest distance of a corpus' sequences so far from share times sequences, over all steps."""
    worst = 0.0
    seen = np.zeros(len(sampler.names), dtype=np.int64)
    for step in range(1, steps + 1):
        corpus, _ = sampler.sequences((step - 1) * batch, batch)
        seen += np.bincount(corpus, minlength=len(seen))
        wanted = sampler.target(step * batch)
        worst = max(
            worst,
            *(
                abs(float(count - wanted[name]))
                for name, count in zip(sampler.names, seen.tolist(), strict=True)
            ),
        )
    return worst


def _same(sampler: MixtureSampler, batch: int, world: int, steps: int = 50) -> bool:
    """Whether the parts of a step that the ranks read are together the sequences of the step."""
    part = batch // world
    for step in range(steps):
        whole = np.stack(sampler.sequences(step * batch, batch))
        parts = [np.stack(sampler.sequences(step * batch + rank * part, part)) for rank in range(world)]
        if not np.array_equal(np.concatenate(parts, axis=1), whole):
            return False
    return True


if __name__ == "__main__":
    run(main)
