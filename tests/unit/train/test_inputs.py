"""What a run reads is checked against what was written."""

from __future__ import annotations

import pytest
from tiny_sweep import TinySweep

from dcpt.core.errors import DataError
from dcpt.train import inputs
from dcpt.train.inputs import open_corpora
from dcpt.train.processor import Processor
from dcpt.train.unit import run


def test_tokens_that_were_zeroed_are_refused_by_file(sweep: TinySweep, processor: Processor) -> None:
    spec = sweep.base()
    open_corpora(sweep.root, spec)
    path = sweep.root / "corpus" / "law" / "train.bin"
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(DataError, match=r"law/train\.bin: SHA-256") as caught:
        open_corpora(sweep.root, spec)
    assert "build it again" in str(caught.value.hint)
    with pytest.raises(DataError, match=r"law/train\.bin"):
        run(sweep.place(spec), processor)


def test_each_corpus_is_read_through_once_per_process(
    sweep: TinySweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, verified = inputs.open_corpus, []

    def counting(folder, verify=False):  # type: ignore[no-untyped-def]
        verified.extend([folder.name] if verify else [])
        return real(folder, verify)

    monkeypatch.setattr(inputs, "open_corpus", counting)
    for _ in range(3):
        open_corpora(sweep.root, sweep.base())
    assert verified == ["books", "notes", "law"]
