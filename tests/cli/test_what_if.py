"""dcpt plan --sweep: tables of what if, where tokens or size are open too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

KEEP = ("--keep", "general <= +5%")


@pytest.mark.parametrize(
    ("asked", "axis", "values", "head"),
    [
        (("--at", "N=0.5M", "--pool", "domain=0.3M"), "r", "0.2,0.4", "r      D"),
        (("--at", "N=0.5M", "--pool", "domain=0.3M"), "pool", "0.2M,0.4M", "domain_pool  D"),
        (("--at", "N=0.5M", "--budget", "flops=3e12"), "budget", "2e12,4e12", "flops  D"),
        (("--budget", "flops=3e12", "--sizes", "0.2M,0.5M"), "keep", "+4%,+6%", "keep            N"),
        (
            ("--at", "N=0.5M", "--budget", "money=1,price=0.02,hardware=cpu-core"),
            "price",
            "0.02,0.03",
            "price  D",
        ),
    ],
)
def test_open_tokens_and_sizes_may_be_swept(
    fits: Path, call: Callable[..., Any], asked: tuple[str, ...], axis: str, values: str, head: str
) -> None:
    answer = call("plan", "fits/mine", *asked, *KEEP, "--sweep", axis, "--values", values)
    assert answer.code == 0, answer.err
    lines = answer.out.strip().splitlines()
    assert len(lines) == 2 + 1 + 2
    assert lines[2].startswith(head)
    assert " binds " in lines[2]
    document = call(
        "plan", "fits/mine", *asked, *KEEP, "--sweep", axis, "--values", values, "--json"
    ).document
    assert (document["axis"], document["column"]) == (axis, lines[2].split()[0])
    assert all(row["binds"] and row["D"] > 0 for row in document["rows"])


def test_means_that_the_question_does_not_have_are_refused(fits: Path, call: Callable[..., Any]) -> None:
    at = ("--at", "N=0.5M,D=1M", *KEEP)
    for asked, axis, said in (
        (at, "budget", "there is no budget"),
        (at, "pool", "no pool to vary"),
        (("--at", "N=0.5M", *KEEP, "--budget", "flops=1e13"), "price", "in flops, which has no price"),
    ):
        answer = call("plan", "fits/mine", *asked, "--sweep", axis)
        assert (answer.code, said in answer.err) == (2, True), answer.err


def test_a_written_table_says_why_a_row_has_no_answer(
    fits: Path, call: Callable[..., Any], tmp_path: Path
) -> None:
    at = ("--at", "N=0.5M,D=1M", *KEEP, "--sweep", "keep", "--values", "-40%,+5%")
    answer = call("plan", "fits/mine", *at, "-o", str(tmp_path / "table.json"))
    assert answer.code == 0, answer.err
    document = json.loads((tmp_path / "table.json").read_text())
    assert [row["r"] is None for row in document["rows"]] == [True, False]
    assert "the nearest that can be kept" in document["unreachable"]["0"]
