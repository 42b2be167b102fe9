"""``dcpt plan --ask replay-or-size``: equal FLOPs per new token, in words and as JSON."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ASK = ("plan", "fits/mine", "--at", "N=1M,D=1M", "--keep", "general <= +9%", "--ask", "replay-or-size")


def test_every_share_costs_the_same_and_words_say_which_is_best(call: Callable[..., Any], fits: Path) -> None:
    words, answer = call(*ASK), call(*ASK, "--json")
    assert (words.code, answer.code) == (0, 0), words.err + answer.err
    rows = answer.document["rows"]
    assert [row["replay"] for row in rows] == [0.05, 0.1, 0.25, 0.5]
    for row in rows:
        assert 6 * row["N"] / row["r"] == pytest.approx(6e6)
        assert row["D"] * row["r"] == pytest.approx(1e6)
        assert row["value_change_lo"] <= row["value_change"] <= row["value_change_hi"]
        assert f"{row['value']:.4f}" in words.out
    kept = [row for row in rows if row["feasible"]]
    best = min(kept, key=lambda row: row["value"])
    last = words.out.strip().splitlines()[-1]
    assert f"{100 * best['replay']:g} % replay" in last
    assert not (fits / "plan.json").exists()


def test_the_price_of_the_sweeps_own_family(call: Callable[..., Any], fits: Path, sweep: Path) -> None:
    found = call(*ASK, "--sweep", str(sweep), "--values", "0.1,0.3", "--json").document["rows"]
    # Head and attention cost more than 6 N in models this small.
    assert all(row["flops_per_token"] > 6 * row["N"] for row in found)
    assert [row["replay"] for row in found] == [0.1, 0.3]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--values", "1"), 2, "0 to below 1"),
        (("--values", "many"), 2, "--values"),
        (("--budget", "flops=1e15"), 2, "--budget"),
        (("--sweep", "D"), 2, "--sweep"),
        (("--general-now", "3.3"), 2, "loss of one base"),
        (("--strict",), 5, ""),
    ],
)
def test_mistakes(call: Callable[..., Any], fits: Path, words: tuple[str, ...], code: int, said: str) -> None:
    answer = call(*ASK, *words)
    assert answer.code == code
    assert said in answer.err
    assert "Traceback" not in answer.err
