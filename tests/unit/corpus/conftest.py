from __future__ import annotations

import hashlib

import numpy as np
import pytest

from dcpt.corpus.shards import Corpus, Leakage, SplitInfo, numpy_dtype, write_corpus


@pytest.fixture
def make_corpus(tmp_path):
    """Write a token corpus whose train stream counts up from 0 and whose held-out stream counts from 1000."""

    def make(name="novels", role="general", train=1001, heldout=101, dtype="uint16"):
        folder = tmp_path / name
        folder.mkdir()
        infos = {}
        for split, start, count in (("train", 0, train), ("heldout", 1000, heldout)):
            tokens = np.arange(start, start + count).astype(numpy_dtype(dtype))
            tokens.tofile(folder / f"{split}.bin")
            infos[split] = SplitInfo(10, count, 3 * count, hashlib.sha256(tokens.tobytes()).hexdigest())
        leakage = Leakage(13, 50, 0.25, 1, 2)
        corpus = Corpus(
            name, role, "tok", 5000, 0, dtype, infos["train"], infos["heldout"], leakage, {"empty": 1}, "f"
        )
        write_corpus(folder, corpus)
        return folder

    return make
