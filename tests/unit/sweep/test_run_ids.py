"""The runs of a committed experiment keep their names, whatever the sweep file has learnt since."""

from __future__ import annotations

import csv
from pathlib import Path

from dcpt.corpus.shards import Corpus, Leakage, SplitInfo
from dcpt.sweep.expand import expand
from dcpt.sweep.ladder import build_rungs
from dcpt.sweep.spec import read_sweep

EXPERIMENT = Path(__file__).resolve().parents[3] / "experiments" / "domains_cpu" / "chemistry"
TOKENIZER = "c156ea1fd7218467"
# Tokens and SHA-256 of the training and the held-out stream, as they were when the experiment was run.
STREAMS = {
    "novels": (
        4349947,
        "c21174cf68da85a1cc9cdf4f79a156c204cea3178469295630883344b0ce3693",
        192572,
        "0d6fa9320a909a7cd09d20950cf39cd4f03a1196785b5429a5ba24975b8d7e74",
    ),
    "wiki": (
        959602,
        "1ece4ec10965b0226c0a6ffab79cc393a51973cf8d1f6d57a6667042ee3e7cce",
        45965,
        "4b03d3e289244507956c7791db8552ec118493e199b64e4ce0b3b1d158aabe0c",
    ),
    "factbook": (
        3090242,
        "b0c12d4345fd728ed00a9fad294f940edc93ef844fd31935cb19605eb8bfb05c",
        127513,
        "80b17a4997fdd5f6a8ba6376c38697bf0a957bb8c6f41da05facbf6a4bba106c",
    ),
    "chemistry": (
        5460662,
        "108a4d105bb1ae68d547151ea9eed7ce6f824ca01c53b23ce0bf4e0683c9f33f",
        210260,
        "109be708f575139e5db33f5a4ae3e5677f1e82c92e927c5a882d961a192d186b",
    ),
}


def corpus(name: str) -> Corpus:
    train, train_hash, heldout, heldout_hash = STREAMS[name]
    return Corpus(
        name,
        "domain" if name == "chemistry" else "general",
        TOKENIZER,
        1024,
        0,
        "uint16",
        SplitInfo(1, train, 1, train_hash),
        SplitInfo(1, heldout, 1, heldout_hash),
        Leakage(13, 0, None, 0, 0),
    )


def test_the_ids_of_a_committed_experiment() -> None:
    """All 215 of its loss table."""
    sweep = read_sweep(EXPERIMENT / "sweep.yaml")
    rungs = build_rungs(sweep.model.sizes, sweep.model, 1024, 0, {}, EXPERIMENT)
    design = expand(sweep, {name: corpus(name) for name in STREAMS}, rungs, TOKENIZER)
    with open(EXPERIMENT / "losses.csv", newline="", encoding="utf-8") as file:
        known = {row["run_id"] for row in csv.DictReader(file)}
    assert len(known) == 215
    assert {run.run_id for run in design.runs} == known
