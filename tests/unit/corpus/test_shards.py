from __future__ import annotations

import json

import numpy as np
import pytest

from dcpt.core.errors import ConfigError, DataError
from dcpt.corpus.batches import heldout_windows
from dcpt.corpus.shards import open_corpus, read_corpus, token_dtype, write_corpus


@pytest.mark.parametrize("dtype", ["uint16", "uint32"])
def test_what_is_written_is_read(make_corpus, dtype):
    folder = make_corpus(dtype=dtype)
    corpus = open_corpus(folder, verify=True)
    assert corpus.train.dtype == np.dtype(dtype)
    assert corpus.train[:3].tolist() == [0, 1, 2]
    assert corpus.heldout[-1] == 1100
    assert corpus.info == read_corpus(folder)
    assert corpus.info.mean_tokens_per_document == 100.1
    assert corpus.bytes_per_token("heldout") == 3.0
    assert corpus.info.leakage.overlap == 0.25


def test_windows_share_one_token_and_predict_each_once(make_corpus):
    corpus = open_corpus(make_corpus(train=1001))
    assert corpus.n_windows(100) == 10
    windows = heldout_windows(corpus, 100, 10, split="train")
    assert windows[:, 1:].ravel().tolist() == list(range(1, 1001))
    assert (windows[1:, 0] == windows[:-1, -1]).all()
    assert open_corpus(make_corpus("short", train=1000)).n_windows(100) == 9
    with pytest.raises(ConfigError, match="context is 0"):
        corpus.n_windows(0)


def test_a_short_stream_is_refused(make_corpus):
    folder = make_corpus()
    data = (folder / "train.bin").read_bytes()
    (folder / "train.bin").write_bytes(data[:-2])
    with pytest.raises(DataError, match=r"train\.bin: holds 2000 bytes; corpus\.json says 1001 tokens"):
        open_corpus(folder)


def test_a_changed_stream_is_found_when_asked(make_corpus):
    folder = make_corpus()
    data = bytearray((folder / "train.bin").read_bytes())
    data[0] ^= 1
    (folder / "train.bin").write_bytes(data)
    open_corpus(folder)
    with pytest.raises(DataError, match="SHA-256"):
        open_corpus(folder, verify=True)


def test_missing_or_edited_descriptions_are_refused(make_corpus, tmp_path):
    with pytest.raises(DataError, match="no such file"):
        open_corpus(tmp_path / "nowhere")
    folder = make_corpus()
    path = folder / "corpus.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "tokenizer_hash": "other"}))
    with pytest.raises(DataError, match="hash is"):
        open_corpus(folder)
    path.write_text(json.dumps({**document, "role": "both"}))
    with pytest.raises(DataError, match="wanted one of general, domain"):
        open_corpus(folder)
    path.write_text(json.dumps(document))
    (folder / "heldout.bin").unlink()
    with pytest.raises(DataError, match=r"heldout\.bin: cannot be read"):
        open_corpus(folder)


def test_hash_follows_content_not_name(make_corpus):
    one = read_corpus(make_corpus("a"))
    assert one.hash == read_corpus(make_corpus("b", role="domain")).hash
    assert one.hash != read_corpus(make_corpus("c", train=1002)).hash


def test_streams_are_read_only(make_corpus):
    corpus = open_corpus(make_corpus())
    with pytest.raises(ValueError, match="read-only"):
        corpus.train[0] = 1


def test_write_corpus_can_be_repeated(make_corpus):
    folder = make_corpus()
    before = (folder / "corpus.json").read_bytes()
    write_corpus(folder, read_corpus(folder))
    assert (folder / "corpus.json").read_bytes() == before


def test_smallest_token_type():
    assert token_dtype(65536) == "uint16"
    assert token_dtype(65537) == "uint32"
