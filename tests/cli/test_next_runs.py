"""``dcpt next``: advice in words and as JSON, with the user's own candidates, budget and rules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dcpt.sweep.prepare import prepare

AT = ("next", "fits/mine", "--at", "N=1M,D=2M", "--keep", "general <= -3%")


def test_words_and_json_say_the_same(call: Callable[..., Any], fits: Path) -> None:
    words, answer = call(*AT), call(*AT, "--json")
    assert (words.code, answer.code) == (0, 0), words.err + answer.err
    document = answer.document
    assert document["kind"] == "next"
    assert document["r_lo"] <= document["r"] <= document["r_hi"]
    assert f"r* = {document['r']:.3f}" in words.out
    assert all(offer["run"] in words.out for offer in document["batch"])
    assert words.out.startswith("Stop." if document["stop"] else "Go on:")


def test_own_candidates_within_a_budget(call: Callable[..., Any], fits: Path) -> None:
    Path("runs.csv").write_text("N,D,r\n0.6M,1.3M,0.6\n0.6M,1.3M,0.7\n2M,1.3M,0.7\n")
    document = call(*AT, "--candidates", "runs.csv", "--max-flops", "1e13", "--json").document
    assert {offer["run"] for offer in document["ranking"]} == {
        "N=600k r=0.6 D=1.3M",
        "N=600k r=0.7 D=1.3M",
    }
    dear = call(*AT, "--candidates", "runs.csv", "--base-tokens", "1M", "--json").document
    new = next(offer for offer in dear["ranking"] if offer["kind"] == "size")
    assert new["flops"] == pytest.approx(6 * 2e6 * (1.3e6 + 1e6))


def test_the_price_of_a_sweep_file(call: Callable[..., Any], fits: Path, sweep: Path) -> None:
    Path("runs.csv").write_text("N,D,r\n2608,640,0.5\n")
    flags = ("--candidates", "runs.csv", "--sweep", "experiments/mine", "--at", "N=1M,D=2M")
    answer = call("next", "fits/mine", *flags, "--keep", "general <= -3%", "--json")
    assert answer.code == 0, answer.err
    (offer,) = answer.document["ranking"]
    # The base's 640 tokens and the run's, at the FLOPs per token of that shape.
    per_token = prepare(sweep).design.rungs["b"].flops_per_token
    assert offer["flops"] == pytest.approx(1280 * per_token)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--candidates", "none.csv"), 3, "none.csv"),
        (("--max-flops", "1"), 4, "no candidate costs"),
        (("--max-flops", "cheap"), 2, "--max-flops"),
        (("--tolerance", "-1"), 2, "positive loss"),
        (("--least-shrink", "2"), 2, "share below 1"),
        (("--decay-share", "0"), 2, "share above 0"),
        (("--law", "nonsense"), 2, "nonsense"),
    ],
)
def test_mistakes(call: Callable[..., Any], fits: Path, words: tuple[str, ...], code: int, said: str) -> None:
    answer = call(*AT, *words)
    assert (answer.code, answer.out) == (code, "")
    assert said in answer.err
    assert "Traceback" not in answer.err


def test_advised_runs_are_written_as_sweep_files(call: Callable[..., Any], fits: Path, sweep: Path) -> None:
    own = prepare(sweep)
    sizes = [rung.N for name, rung in own.design.rungs.items() if name in ("a", "b")]
    lines = [f"{N},320+640,{r}" for N in sizes for r in (0.5, 0.7)]
    Path("runs.csv").write_text("\n".join(["N,D,r", *lines, f"{sizes[0]},640,0.5"]) + "\n")
    flags = ("--candidates", "runs.csv", "--sweep", str(sweep), "--at", "N=1M,D=2M", "--least-shrink", "0")
    answer = call("next", "fits/mine", *flags, "--keep", "general <= -3%", "--write", "more", "--json")
    assert answer.code == 0, answer.err
    cells = [cell for offer in answer.document["batch"] for run in [offer["runs"]] for cell in run]
    assert cells
    assert not answer.document["stop"]
    found = set()
    for path in answer.document["written"]:
        made = prepare(path)
        # Bases are the same runs as the sweep's: what is trained is not trained again.
        assert {made.design.bases[name] for name in made.design.bases} <= set(own.design.bases.values())
        for size in made.spec.model.sizes:
            N = made.design.rungs[size.name].N
            found |= {(float(N), r, tuple(made.spec.cpt.budgets)) for r in made.spec.cpt.ratios}
    assert found == {(cell["N"], cell["r"], tuple(cell["budgets"])) for cell in cells}
    again = call("next", "fits/mine", *flags, "--keep", "general <= -3%", "--write", "more")
    assert (again.code, "is there already" in again.err) == (2, True)


def test_runs_are_bought_for_less_regret_too(call: Callable[..., Any], fits: Path) -> None:
    document = call(*AT, "--metric", "regret", "--json").document
    gains = [offer["gain_per_flop"] * offer["flops"] for offer in document["ranking"]]
    regret = document["regret"]
    assert document["metric"] == "regret"
    assert gains[0] == pytest.approx(regret - document["ranking"][0]["regret"], rel=0.05, abs=1e-6)
    assert call(*AT, "--metric", "luck").code == 2
