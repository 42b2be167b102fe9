from __future__ import annotations

import pytest
from pydantic import ValidationError

from dcpt.corpus.spec import CorpusSpec, SourceSpec, TokenizerSpec

TEXT = {"kind": "text", "path": "a.txt"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kind": "embedded"}, "needs part"),
        ({"kind": "embedded", "part": "prose", "path": "x"}, "has no path"),
        ({"kind": "jsonl"}, "needs a path"),
        ({"kind": "text", "path": "a", "part": "code"}, "part is for embedded"),
        ({"kind": "text", "path": "a", "column": "body"}, "has no columns"),
        ({"kind": "jsonl", "path": "a", "split": "test"}, "split is for dataset"),
        ({"kind": "jsonl", "path": "a", "colunm": "body"}, "Extra inputs"),
    ],
)
def test_sources_that_make_no_sense_are_refused(fields, words):
    with pytest.raises(ValidationError, match=words):
        SourceSpec(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "Big"},
        {"name": "../x"},
        {"name": "a/b"},
        {"name": ""},
        {"name": "tokenizer"},
        {"name": "general", "role": "domain"},
        {"role": "both"},
        {"heldout_share": 0},
        {"heldout_share": 1},
        {"weight": 0},
        {"weight": float("inf")},
        {"max_bytes": 0},
    ],
)
def test_corpora_that_make_no_sense_are_refused(fields):
    with pytest.raises(ValidationError):
        CorpusSpec(**{"name": "books", "role": "general", "source": TEXT, **fields})


def test_a_plain_corpus_is_enough_and_frozen():
    spec = CorpusSpec(name="general", role="general", source=TEXT)
    assert spec.heldout is None
    with pytest.raises(ValidationError):
        spec.role = "domain"


def test_tokenizer_kinds():
    assert TokenizerSpec().vocab_size == 1024
    assert TokenizerSpec(kind="hf", path="x").path == "x"
    for fields in ({"kind": "hf"}, {"path": "x"}, {"vocab_size": 100}):
        with pytest.raises(ValidationError):
            TokenizerSpec(**fields)
    with pytest.raises(ValidationError, match="its own vocab_size"):
        TokenizerSpec(kind="hf", path="x", vocab_size=500)
