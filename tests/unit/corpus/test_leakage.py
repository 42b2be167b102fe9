from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcpt.corpus.leakage import NGRAM_WORDS, measure_leakage


def measure(heldout, train, duplicates_removed=0):
    return measure_leakage({"own": heldout}, {"own": train}, {"own": duplicates_removed})["own"]


def words(first, count):
    return " ".join(f"w{number}" for number in range(first, first + count))


def test_known_overlaps():
    report = measure([words(0, 26), words(100, 26), "short one"], [words(0, 20), words(50, 20)], 3)
    # 14 n-grams in each long document; those that begin at words 0 to 7 of the first stand in train.
    assert report.ngrams == 28
    assert report.overlap == pytest.approx(8 / 28)
    assert report.documents_over_half == 1
    assert report.duplicates_removed == 3


def test_the_training_text_of_other_corpora_is_reported_apart():
    heldout = {"a": [words(0, 26)], "b": [words(200, 26), "short one"]}
    train = {"a": [words(300, 30)], "b": [words(0, 20)], "c": [words(7, 19), words(200, 13)]}
    removed = {"a": 1, "b": 2, "c": 3}
    report = measure_leakage(heldout, train, removed)
    assert list(report) == ["a", "b"]
    # of the 14 n-grams of a, b trains on those from words 0 to 7, c on those from 7 to 13
    assert (report["a"].overlap, report["a"].overlap_others) == (0.0, 1.0)
    assert (report["b"].overlap, report["b"].overlap_others) == (0.0, pytest.approx(1 / 14))
    assert [report[name].duplicates_removed for name in report] == [1, 2]
    assert measure_leakage({"a": heldout["a"]}, train, removed)["a"] == report["a"]
    assert measure([words(0, 26)], [words(0, 20)]).overlap_others is None


def test_ngrams_do_not_cross_documents():
    assert measure([words(0, 13)], [words(0, 7), words(7, 6)], 0).overlap == 0.0
    assert measure([words(0, 7), words(7, 6)], [words(0, 13)], 0).overlap is None


@given(st.lists(st.lists(st.sampled_from("ab"), max_size=40), min_size=1, max_size=4), st.data())
@settings(max_examples=60)
def test_it_agrees_with_sets_of_tuples(heldout, data):
    train = data.draw(st.lists(st.lists(st.sampled_from("abc"), max_size=60), max_size=4))

    def grams(document):
        return [tuple(document[i : i + NGRAM_WORDS]) for i in range(len(document) - NGRAM_WORDS + 1)]

    known = {gram for document in train for gram in grams(document)}
    everything = [gram for document in heldout for gram in grams(document)]
    report = measure([" ".join(row) for row in heldout], (" ".join(row) for row in train), 0)
    assert report.ngrams == len(everything)
    if everything:
        assert report.overlap == sum(gram in known for gram in everything) / len(everything)
    halves = [grams(document) for document in heldout if grams(document)]
    assert report.documents_over_half == sum(
        sum(gram in known for gram in row) > len(row) / 2 for row in halves
    )


@pytest.mark.parametrize(("name", "percent"), [("law", 2.15), ("general_wiki", 0.01)])
def test_it_agrees_with_the_overlap_published_with_the_corpora(shared, name, percent):
    # shared/corpora/README.md, column "13-gram overlap"; its words are cut a little differently.
    if not (shared / "corpora" / name).is_dir():
        pytest.skip(f"corpus {name} is not beside this checkout")

    def texts(split):
        with gzip.open(shared / "corpora" / name / f"{split}.jsonl.gz", "rt", encoding="utf-8") as file:
            return [json.loads(line)["text"] for line in file]

    report = measure(texts("valid"), texts("train"), 0)
    assert report.overlap is not None
    assert 100 * report.overlap == pytest.approx(percent, abs=0.1)
