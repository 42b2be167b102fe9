from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcpt.core.errors import ConfigError, DataError
from dcpt.corpus.spec import TokenizerSpec
from dcpt.corpus.tokenizer import load_tokenizer, open_tokenizer, save_tokenizer, train_bpe

TEXT = [f"the cat number {n} sat on mat {n * n} and the other cats said nothing" for n in range(200)]


@pytest.fixture(scope="module")
def bpe():
    return train_bpe(TEXT, 300)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=4))
@settings(max_examples=50)
def test_any_text_comes_back(bpe, texts):
    for text, ids in zip(texts, bpe.encode_batch(texts), strict=True):
        assert bpe.decode(ids) == text
        assert all(0 < token < bpe.vocab_size for token in ids)


def test_the_end_token_is_never_read_out_of_text(bpe):
    assert bpe.eos_id == 0
    assert bpe.vocab_size == 300
    assert 0 not in bpe.encode_batch(["a <|endoftext|> b"])[0]


def test_training_is_deterministic(bpe):
    assert train_bpe(iter(TEXT), 300).hash == bpe.hash
    assert train_bpe(TEXT[:150], 300).hash != bpe.hash


def test_too_little_text_is_refused():
    with pytest.raises(DataError, match="wanted 1024"):
        train_bpe(["aaaa bbbb"], 1024)


def test_a_saved_tokenizer_is_the_same_and_transformers_reads_it(bpe, tmp_path):
    save_tokenizer(bpe, tmp_path / "tok", "made-from")
    again = open_tokenizer(tmp_path / "tok")
    assert (again.hash, again.vocab_size, again.eos_id) == (bpe.hash, 300, 0)
    assert again.encode_batch(TEXT[:5]) == bpe.encode_batch(TEXT[:5])
    info = json.loads((tmp_path / "tok" / "tokenizer_info.json").read_text())
    assert info["fingerprint"] == "made-from"
    loaded = load_tokenizer(TokenizerSpec(kind="hf", path="tok"), tmp_path)
    assert (loaded.vocab_size, loaded.eos_id) == (300, 0)
    assert loaded.encode_batch([*TEXT[:5], "<|endoftext|>"]) == bpe.encode_batch([*TEXT[:5], "<|endoftext|>"])
    save_tokenizer(loaded, tmp_path / "copy")
    copy = open_tokenizer(tmp_path / "copy")
    assert copy.kind == "hf"
    assert copy.hash == loaded.hash


def test_changed_or_missing_tokenizers_are_refused(bpe, tmp_path):
    save_tokenizer(bpe, tmp_path)
    path = tmp_path / "tokenizer.json"
    path.write_text(path.read_text().replace('"cat"', '"dog"').replace('"the"', '"teh"'))
    with pytest.raises(DataError):
        open_tokenizer(tmp_path)
    with pytest.raises(DataError, match="no such file"):
        open_tokenizer(tmp_path / "gone")
    with pytest.raises(DataError, match="cannot be loaded"):
        load_tokenizer(TokenizerSpec(kind="hf", path="no/such-tokenizer"), tmp_path)
    with pytest.raises(ConfigError, match="wanted hf"):
        load_tokenizer(TokenizerSpec(), tmp_path)


def test_a_tokenizer_that_brings_its_own_code_is_refused_and_the_code_is_not_run(tmp_path):
    mark = tmp_path / "the code ran"
    folder = tmp_path / "tok"
    folder.mkdir()
    (folder / "own.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    config = {"tokenizer_class": "OwnTokenizer", "auto_map": {"AutoTokenizer": ["own.OwnTokenizer", None]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match="Python code of its own") as caught:
        load_tokenizer(TokenizerSpec(kind="hf", path="tok"), tmp_path)
    assert len(caught.value.message.splitlines()) == 1
    assert caught.value.hint
    assert not mark.exists()


@pytest.mark.parametrize("path", ["bsae", "./bsae", "/nowhere/at/all"])
def test_a_folder_that_is_not_there_is_not_looked_up_on_a_hub(path: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no folder"):
        load_tokenizer(TokenizerSpec(kind="hf", path=path), tmp_path)


def test_a_path_that_is_not_there_is_not_looked_for_on_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """org/name may be a hub name; where its first part is a folder here, it is a path."""
    (tmp_path / "tokenizers").mkdir()
    monkeypatch.setattr("dcpt.corpus.tokenizer._load_hf", lambda path: pytest.fail(f"asked for {path}"))
    with pytest.raises(DataError, match="there is no folder"):
        load_tokenizer(TokenizerSpec(kind="hf", path="tokenizers/mine"), tmp_path)
