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
