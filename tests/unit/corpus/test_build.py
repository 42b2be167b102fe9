from __future__ import annotations

import json
import os

import numpy as np
import pytest

from dcpt.core.errors import ConfigError, DataError
from dcpt.corpus import build as build_module
from dcpt.corpus import documents as documents_module
from dcpt.corpus import stream as stream_module
from dcpt.corpus.build import build_corpora
from dcpt.corpus.documents import part_corpora, part_documents, scan_documents
from dcpt.corpus.shards import open_corpus
from dcpt.corpus.spec import CorpusSpec, TokenizerSpec
from dcpt.corpus.split import digest_is_heldout, document_digest
from dcpt.corpus.tokenizer import open_tokenizer
from dcpt.corpus.tokenizer_text import tokenizer_text

TOKENIZER = TokenizerSpec(vocab_size=300)


def is_heldout(text, share):
    return digest_is_heldout(document_digest(text), share)


def part(spec, root):
    return part_documents(scan_documents(spec, root))


def write(path, texts):
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")


@pytest.fixture
def texts(tmp_path):
    found = {
        "general": [f"tale {n}: the old king rode over hill {n % 7} at dawn" for n in range(300)],
        "domain": [f"def f{n}(x):\n    return x * {n} + {n % 5}\n" for n in range(200)],
    }
    for name, rows in found.items():
        write(tmp_path / f"{name}.jsonl", rows)
    return found


def corpus(role, **more):
    fields = {"name": role, "role": role, "source": {"kind": "jsonl", "path": f"{role}.jsonl"}, **more}
    return CorpusSpec(**fields)


BOTH = [corpus("general"), corpus("domain")]


def documents_of(folder, split):
    tokenizer = open_tokenizer(folder.parent / "tokenizer")
    stream = np.array(getattr(open_corpus(folder, verify=True), split)).tolist()
    assert stream[-1] == tokenizer.eos_id
    text = tokenizer.decode(stream)
    return text.split("<|endoftext|>")[:-1]


def test_every_document_lands_on_its_side_once(tmp_path, texts):
    out = tmp_path / "corpus"
    built = build_corpora(BOTH, TOKENIZER, out, tmp_path)
    assert list(built) == ["general", "domain"]
    for name, rows in texts.items():
        assert documents_of(out / name, "train") == [row for row in rows if not is_heldout(row, 0.05)]
        assert documents_of(out / name, "heldout") == [row for row in rows if is_heldout(row, 0.05)]
        info = built[name]
        assert info == open_corpus(out / name).info
        assert info.train.documents + info.heldout.documents == len(rows)
        assert info.train.bytes + info.heldout.bytes == sum(len(row.encode()) for row in rows)
        assert info.tokenizer_hash == open_tokenizer(out / "tokenizer").hash
        assert info.dtype == "uint16"
    assert sorted(path.name for path in out.iterdir()) == ["domain", "general", "tokenizer"]


def test_a_second_build_does_nothing_and_a_change_rebuilds(tmp_path, texts, monkeypatch):
    out = tmp_path / "corpus"
    first = build_corpora(BOTH, TOKENIZER, out, tmp_path)
    stamp = {name: (out / name / "train.bin").stat().st_mtime_ns for name in first}
    monkeypatch.setattr(build_module, "part_corpora", None)
    weighted = [corpus("general", weight=2.0), BOTH[1]]
    assert build_corpora(weighted, TOKENIZER, out, tmp_path) == first
    monkeypatch.undo()
    assert {name: (out / name / "train.bin").stat().st_mtime_ns for name in first} == stamp
    write(tmp_path / "domain.jsonl", texts["domain"][:150])
    second = build_corpora(BOTH, TOKENIZER, out, tmp_path)
    assert second["domain"].hash != first["domain"].hash


def test_the_same_text_gives_the_same_corpus_elsewhere(tmp_path, texts):
    one = build_corpora(BOTH, TOKENIZER, tmp_path / "one", tmp_path)
    for name in texts:
        os.utime(tmp_path / f"{name}.jsonl", (1, 1))
    other = build_corpora(BOTH, TOKENIZER, tmp_path / "other", tmp_path)
    assert [one[name].hash for name in one] == [other[name].hash for name in other]


def test_a_stream_cut_short_is_built_again(tmp_path, texts):
    out = tmp_path / "corpus"
    first = build_corpora(BOTH, TOKENIZER, out, tmp_path)
    (out / "domain" / "train.bin").write_bytes(b"xx")
    assert build_corpora(BOTH, TOKENIZER, out, tmp_path) == first
    open_corpus(out / "domain", verify=True)


def test_a_full_disk_leaves_whole_corpora_only_and_the_next_call_goes_on(tmp_path, texts, monkeypatch):
    out = tmp_path / "corpus"
    real = stream_module.os.fsync
    calls = []

    def full(handle):
        calls.append(handle)
        if len(calls) == 3:  # tokens of the second corpus
            raise OSError(28, "No space left on device")
        real(handle)

    monkeypatch.setattr(stream_module, "os", type("fake", (), {"fsync": staticmethod(full)}))
    with pytest.raises(DataError, match="No space left on device"):
        build_corpora(BOTH, TOKENIZER, out, tmp_path)
    assert sorted(path.name for path in out.iterdir()) == ["general", "tokenizer"]
    monkeypatch.undo()
    stamp = (out / "general" / "train.bin").stat().st_mtime_ns
    build_corpora(BOTH, TOKENIZER, out, tmp_path)
    assert (out / "general" / "train.bin").stat().st_mtime_ns == stamp
    open_corpus(out / "domain", verify=True)


def test_what_is_held_out_word_for_word_leaves_train(tmp_path, texts):
    write(tmp_path / "valid.jsonl", [*texts["domain"][:20], "something new"])
    spec = corpus("domain", heldout={"kind": "jsonl", "path": "valid.jsonl"})
    info = build_corpora([BOTH[0], spec], TOKENIZER, tmp_path / "corpus", tmp_path)["domain"]
    assert info.leakage.duplicates_removed == 20
    assert info.train.documents == 180
    assert info.heldout.documents == 21


def test_what_one_corpus_holds_out_is_training_text_of_none(tmp_path, texts):
    shared = texts["general"][:40]
    write(tmp_path / "valid.jsonl", [*shared, "tale of its own"])
    write(tmp_path / "domain.jsonl", [*texts["domain"], *shared, *shared[:5]])
    held_by_hash = sum(is_heldout(text, 0.2) for text in shared) + sum(
        is_heldout(text, 0.2) for text in shared[:5]
    )
    specs = [
        corpus("general", heldout={"kind": "jsonl", "path": "valid.jsonl"}),
        corpus("domain", heldout_share=0.2),
    ]
    built = build_corpora(specs, TOKENIZER, tmp_path / "corpus", tmp_path)
    out = {name: set(documents_of(tmp_path / "corpus" / name, "heldout")) for name in built}
    for name in built:
        trained = set(documents_of(tmp_path / "corpus" / name, "train"))
        assert not trained & (out["general"] | out["domain"])
    assert built["general"].leakage.duplicates_removed == 40
    assert built["domain"].leakage.duplicates_removed == 45 - held_by_hash
    # dropped before the caps, which count what is trained on
    capped = [specs[0], corpus("domain", heldout_share=0.2, max_documents=150)]
    assert len(part_corpora(capped, tmp_path)["domain"].train) == 150


def test_another_corpus_can_change_a_corpus_so_all_are_built_again(tmp_path, texts):
    out = tmp_path / "corpus"
    write(tmp_path / "more.jsonl", texts["general"][:60])
    first = build_corpora(BOTH, TOKENIZER, out, tmp_path)
    more = corpus("domain", name="more", source={"kind": "jsonl", "path": "more.jsonl"}, heldout_share=0.5)
    second = build_corpora([*BOTH, more], TOKENIZER, out, tmp_path)
    assert second["general"].train.documents < first["general"].train.documents
    assert second["general"].leakage.duplicates_removed > 0


def test_one_text_file_is_a_corpus_and_one_document_is_not(tmp_path, texts):
    paragraph = "The old king rode over the hill at dawn and no one saw him go. " * 8 + "\n\n"
    (tmp_path / "book.txt").write_text("".join(f"{n}. {paragraph}" for n in range(800)), encoding="utf-8")
    book = corpus("general", source={"kind": "text", "path": "book.txt"})
    parted = part(book, tmp_path)
    assert len(parted.train) > 80
    assert len(parted.heldout) >= 1
    for share in (0.05, 0.99):
        write(tmp_path / "one.jsonl", ["all in one row"])
        one = corpus("general", source={"kind": "jsonl", "path": "one.jsonl"}, heldout_share=share)
        with pytest.raises(DataError, match="is one document") as caught:
            part(one, tmp_path)
        assert "a row per document" in caught.value.hint


def test_caps_apply_to_train_and_nest(tmp_path, texts):
    def taken(**caps):
        return set(part(corpus("general", **caps), tmp_path).train_documents())

    small, large = taken(max_documents=20), taken(max_documents=50)
    assert len(small) == 20
    assert small < large < taken()
    assert sum(len(text) for text in taken(max_bytes=2000)) <= 2000
    parted = part(corpus("general", max_documents=20), tmp_path)
    assert parted.dropped["over the cap"] == 300 - 20 - len(parted.heldout)
    assert len(parted.heldout) == len(part(corpus("general"), tmp_path).heldout)


def test_the_tokenizer_sees_as_much_of_each_side_and_nothing_held_out(tmp_path, texts):
    parted = list(part_corpora(BOTH, tmp_path).values())
    seen = list(tokenizer_text(parted))
    side = {name: sum(len(text) for text in seen if text in set(rows)) for name, rows in texts.items()}
    assert side["domain"] == sum(parted[1].train_sizes)
    assert 0 <= side["general"] - side["domain"] < 60
    assert not any(is_heldout(text, 0.05) for text in seen)
    assert sum(map(len, tokenizer_text(parted, side_bytes=1000))) < 2 * (1000 + 60)


def test_sources_too_large_to_keep_are_read_again_with_the_same_result(tmp_path, texts, monkeypatch):
    kept = build_corpora(BOTH, TOKENIZER, tmp_path / "kept", tmp_path)
    monkeypatch.setattr(documents_module, "_KEPT_CHARACTERS", 100)
    assert build_corpora(BOTH, TOKENIZER, tmp_path / "again", tmp_path) == kept


def test_a_source_that_shrinks_during_the_build_is_noticed(tmp_path, texts, monkeypatch):
    monkeypatch.setattr(documents_module, "_KEPT_CHARACTERS", 100)
    parted = part(BOTH[1], tmp_path)
    write(tmp_path / "domain.jsonl", texts["domain"][:50])
    with pytest.raises(DataError, match="fewer documents than when it was first read"):
        list(parted.train_documents())


def test_impossible_corpora_are_refused(tmp_path, texts):
    with pytest.raises(ConfigError, match="each once"):
        build_corpora([BOTH[0], BOTH[0]], TOKENIZER, tmp_path / "c", tmp_path)
    with pytest.raises(ConfigError, match="at least one"):
        build_corpora([], TOKENIZER, tmp_path / "c", tmp_path)
    with pytest.raises(DataError, match="no document of 300 is held out"):
        part(corpus("general", heldout_share=1e-9), tmp_path)
    with pytest.raises(DataError, match="left to train on"):
        part(corpus("general", max_bytes=3), tmp_path)


def test_a_large_vocabulary_takes_four_bytes(tmp_path, texts, monkeypatch):
    monkeypatch.setattr(build_module, "token_dtype", lambda size: "uint32")
    monkeypatch.setattr(stream_module, "token_dtype", lambda size: "uint32")
    out = tmp_path / "corpus"
    build_corpora(BOTH, TOKENIZER, out, tmp_path)
    assert open_corpus(out / "domain", verify=True).train.dtype == np.uint32
    assert documents_of(out / "domain", "heldout")
