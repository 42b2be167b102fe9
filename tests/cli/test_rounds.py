"""``dcpt sweep rounds`` on four corpora and networks of a few thousand parameters, from file to answer."""

from __future__ import annotations

import json
import random
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

SWEEP = """\
schema_version: 1
name: mine
corpora:
  - {name: river, role: general, source: {kind: jsonl, path: river.jsonl}, heldout_share: 0.2}
  - {name: market, role: general, source: {kind: jsonl, path: market.jsonl}, heldout_share: 0.2}
  - {name: code, role: domain, source: {kind: jsonl, path: code.jsonl}, heldout_share: 0.2}
  - {name: law, role: domain, source: {kind: jsonl, path: law.jsonl}, heldout_share: 0.2}
tokenizer: {kind: bpe, vocab_size: 300}
model:
  context: 16
  sizes:
    - {name: a, hidden: 16, layers: 1}
batch: 4
base: {tokens: 1280, schedule: {peak: 3e-3}}
cpt:
  mixtures:
    kind: sobol-simplex
    bounds: {river: [0.05, 1]}
  budgets: [1280]
  schedule: {peak: 3e-3, decay_share: 0}
  max_epochs: 10000
evaluation: {every_tokens: 1280, sequences: 8}
limit: {hours: 1}
"""
WORDS = {
    "river": "the river runs past an old mill where people fish and talk of rain",
    "market": "on market days they sell bread wool honey and candles near the gate",
    "code": "def return import lambda yield class self None True False async await",
    "law": "section shall apply where person under act liable court order notice clause",
}


@pytest.fixture
def mine(folder: Path) -> Path:
    """``experiments/mine``: the sweep file and its four corpora."""
    root = folder / "experiments" / "mine"
    root.mkdir(parents=True)
    draw = random.Random(0)
    for name, words in WORDS.items():
        texts = [" ".join(draw.choices(words.split(), k=60)) + "." for _ in range(60)]
        (root / f"{name}.jsonl").write_text("".join(json.dumps({"text": item}) + "\n" for item in texts))
    (root / "sweep.yaml").write_text(SWEEP)
    return root


@pytest.fixture
def trained_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are trained in this process: three rounds start three workers, and each loads torch."""
    pytest.importorskip("torch")

    def execute(root: Path, specs: Any, work: Any, *options: Any, **more: Any) -> Any:
        from dcpt.run import store
        from dcpt.run.conductor import Outcome
        from dcpt.train.processor import prepare_processor
        from dcpt.train.unit import run

        processor = prepare_processor("cpu", threads=1)
        records = [run(store.write_spec(root, spec), processor) for spec in specs]
        return Outcome([record.run_id for record in records if record.status == "finished"])

    monkeypatch.setattr("dcpt.sweep.run_sweep.execute", execute)
    monkeypatch.setattr("dcpt.plan.mixtures.propose.DRAWS", 32)


@pytest.mark.usefixtures("trained_here")
def test_three_rounds_from_the_file_to_an_answer(mine: Path, call: Callable[..., Any]) -> None:
    words = shlex.split(call("sweep", "rounds", "--help").out.rpartition("Example:\n")[2])[1:]
    assert words == ["sweep", "rounds", "experiments/mine", "--rounds", "8,4"]
    planned = call(*words, "--dry-run", "--json").document
    assert [len(planned["mixtures"]), planned["counts"]] == [8, [8, 4]]
    assert [planned["minimise"], planned["keep"]] == ["domain", []]
    assert not (mine / "runs").exists()
    three = [
        *words[:-1],
        "8,2,2",
        "--slots",
        "1",
        "--device",
        "cpu",
        "--stop",
        "0",
        "--keep",
        "general <= +40%",
    ]
    answer = call(*three, "--json")
    assert answer.code == 0, answer.err
    document = answer.document
    assert (document["rounds"], document["ended"]) == ([8, 2, 2], "all rounds are done")
    assert "round 3 of 3" in answer.err
    frame = pd.read_csv(mine / "mixtures.csv")
    assert len(frame) == 12
    assert (frame[[f"share:{name}" for name in WORDS]].sum(axis=1) - 1).abs().max() < 1e-9
    assert (frame["share:river"] >= 0.05).all()
    # What is chosen is better on the domain side than the mixtures everybody tries.
    best = document["answer"]["best"]
    assert best["score"] < document["answer"]["proportional"]["score"]
    chosen, design = frame["loss:domain"].iloc[8:], frame["loss:domain"].iloc[:8]
    assert chosen.mean() < design.mean()
    assert sum(best["shares"].values()) == pytest.approx(1)
    # Another time there is nothing left to train, and the answer is the same.
    again = call(*three)
    assert again.code == 0, again.err
    assert "best trained" in again.out
    assert json.loads((mine / "rounds.json").read_text())["answer"] == document["answer"]
    assert call("sweep", "status", "experiments/mine", "--json").document["runs"][-1]["status"] == "finished"


def test_rounds_go_where_a_sweep_goes(
    mine: Path, call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same options, handed to every round; a stop between two rounds says how to go on."""
    from dcpt.run.slurm import SlurmExecutor

    given: list[dict[str, Any]] = []

    def execute(root: Path, specs: Any, work: Any, *options: Any, **more: Any) -> Any:
        given.append(more)
        raise KeyboardInterrupt

    monkeypatch.setattr("dcpt.sweep.run_sweep.execute", execute)
    words = ["sweep", "rounds", "experiments/mine", "--rounds", "8,4", "--mirror", "tensorboard"]
    slurm = ["--executor", "slurm", "--option", "partition=cpu", "--option", "time=30", "--pack", "2"]
    answer = call(*words, *slurm)
    assert answer.code == 130, answer.err
    assert "the same command goes on from there" in answer.err
    (more,) = given
    assert more["executor"].func is SlurmExecutor
    assert more["executor"].keywords == {"options": {"partition": "cpu", "time": "30"}}
    assert more["options"] == ("--pack", "2", "--compile", "auto")
    assert (mine / "rounds.json").exists()
    assert (mine / "runs" / "mirror" / "tensorboard.lock").exists()
    assert call(*words[:-2], "--executor", "ray", "--pack", "some").code == 2

    def fit(*rest: Any, **more: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("dcpt.sweep.rounds.run_rounds", fit)
    between = call(*words[:-2])
    assert (between.code, "stopped between two rounds" in between.err) == (130, True)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "their sizes are not given"),
        (("--rounds", "8", "--variant", "mer"), 2, "there is no variant 'mer'; the sweep has none"),
        (("--rounds", "8", "--option", "time=30"), 2, "the local executor has none"),
        (("--rounds", "8;4"), 2, "wanted whole numbers, as in 64,32,16"),
        (("--rounds", "8,0"), 2, "wanted the mixtures of each round"),
        (("--rounds", "8", "--minimise", "lwa"), 2, "did you mean 'law'"),
        (("--rounds", "8", "--keep", "rivr <= +2%"), 2, "did you mean 'river'"),
        (("--rounds", "8", "--minimise", "lwa", "--dry-run"), 2, "did you mean 'law'"),
        (("--rounds", "8", "--keep", "general < 3", "--dry-run"), 2, "wanted a limit on a target"),
        (("--rounds", "4,8", "--dry-run"), 2, "wanted at least 6, from which a predictor can be chosen"),
        (("--rounds", "8", "--max-hours", "0"), 6, "the limit is 0"),
        (("--rounds", "8", "--top", "3"), 2, "it is for the way 'top'"),
    ],
)
def test_mistakes(mine: Path, call: Callable[..., Any], words: tuple[str, ...], code: int, said: str) -> None:
    answer = call("sweep", "rounds", "experiments/mine", *words)
    assert (answer.code, said in answer.err) == (code, True), answer.err
    assert not (mine / "runs").exists()


def test_ratios_have_no_rounds(sweep: Path, call: Callable[..., Any]) -> None:
    answer = call("sweep", "rounds", "experiments/mine", "--rounds", "8,4")
    assert answer.code == 2
    assert "rounds need a design of mixtures" in answer.err
