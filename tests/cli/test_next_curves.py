"""``dcpt next --schedule``: advice for fits of loss curves in words and as JSON, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

S = "wsd(peak=1e-3, steps=300, warmup=10, decay=20%)"


@pytest.fixture(scope="module")
def curves(tmp_path_factory: pytest.TempPathFactory, world: ModuleType, call: Callable[..., Any]) -> Path:
    """A folder with joint fits of both sides and the curves of two sizes that they were made from."""
    folder = tmp_path_factory.mktemp("next-curves")
    larger = world.table((0.3, 0.6, 0.9), seed=1)
    larger["N"] *= 2
    larger["value"] *= 0.95
    larger["run_id"] = "large-" + larger["run_id"]
    pd.concat([world.table((0.3, 0.6, 0.9)), larger]).to_csv(folder / "curves.csv", index=False)
    laws = ("--law", "joint-general", "--law", "joint-domain", "--max-rows", "300", "--bootstrap", "24")
    answer = call("fit", str(folder / "curves.csv"), "-o", str(folder / "fits"), *laws, "--no-holdouts")
    assert answer.code == 0, answer.err
    return folder


def _words(folder: Path, *more: str) -> tuple[str, ...]:
    at = ("--schedule", S, "--at", "r=0.6,N=100k", "--losses", str(folder / "curves.csv"))
    return ("next", str(folder / "fits"), *at, *more)


def test_words_and_json_say_the_same(curves: Path, call: Callable[..., Any]) -> None:
    flags = ("--ask", "replay", "--weight", "0.8", "--tolerance", "1e-9", "--least-shrink", "0.01")
    words, answer = call(*_words(curves, *flags)), call(*_words(curves, *flags, "--json"))
    assert (words.code, answer.code) == (0, 0), words.err + answer.err
    document = answer.document
    assert (document["kind"], document["answer"]) == ("next-curves", "replay share")
    assert document["lo"] <= document["value"] <= document["hi"]
    assert f"replay share: {document['value']:.4g}" in words.out
    assert all(offer["run"] in words.out for offer in document["batch"])
    # Every schedule of the curves at every size and mixture, and two mixtures between.
    assert len(document["ranking"]) == 2 * 5 * 6
    assert all(offer["width"] <= document["width"] * (1 + 1e-9) for offer in document["ranking"])


def test_a_question_of_the_share_needs_none(curves: Path, call: Callable[..., Any]) -> None:
    flags = ("--schedule", S, "--losses", str(curves / "curves.csv"), "--ask", "replay", "--json")
    found = [
        call("next", str(curves / "fits"), "--at", at, *flags).document["value"]
        for at in ("N=100k", "r=0.6,N=100k", "r=0.9,N=100k")
    ]
    assert found[0] == found[1] == found[2]


def test_own_runs_are_told_apart_by_their_schedule(
    curves: Path, call: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "runs.csv"
    rows = [f'100k,0.6,"wsd(peak={peak}, steps=300, warmup=10, decay={decay}%)"'
            for peak in ("1e-3", "2e-3") for decay in (10, 50)]  # fmt: skip
    path.write_text("\n".join(["N,r,schedule", *rows]) + "\n")
    flags = ("--ask", "anneal-share", "--weight", "0.8", "--candidates", str(path), "--json")
    answer = call(*_words(curves, *flags))
    assert answer.code == 0, answer.err
    offers = answer.document["ranking"]
    assert [offer["flops"] for offer in offers] == pytest.approx([6 * 100_000 * 2048 * 300] * 4)
    assert len({offer["width"] for offer in offers}) == 4
    limit = call(*_words(curves, "--keep", "general <= +3%", "--candidates", str(path), "--json"))
    assert limit.code == 0, limit.err
    assert limit.document["answer"] == "domain share that keeps general <= +3%"
    assert [law["side"] for law in limit.document["laws"]] == ["general"]


def test_a_limit_that_no_share_keeps_names_the_nearest_that_can_be(
    curves: Path, call: Callable[..., Any]
) -> None:
    answer = call(*_words(curves, "--keep", "general <= -60%"))
    assert (answer.code, answer.out) == (4, "")
    assert "keeps 'general <= -60%': the lowest predicted general loss" in answer.err
    nearest = answer.err.split("the nearest that can be kept: '")[1].split("'")[0]
    assert call(*_words(curves, "--keep", nearest)).code == 0


def test_a_run_far_from_the_curves_is_said_to_be(curves: Path, call: Callable[..., Any]) -> None:
    flags = ("--ask", "final-loss", "--json")
    near = call(*_words(curves, *flags)).document["notes"]
    distant = call(*(part.replace("steps=300", "steps=9000") for part in _words(curves, *flags)))
    assert distant.code == 0, distant.err
    far = distant.document["notes"]
    assert not any("outside the fitted curves" in note for note in near)
    assert any("outside the fitted curves (steps " in note for note in far)


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (("--ask", "potential"), 2, "runs are bought for"),
        (("--keep", "general <= +3%", "--ask", "peak"), 2, "means nothing beside --keep"),
        (("--decision",), 2, "--decision means nothing"),
        (("--write", "there"), 2, "--write means nothing"),
        (("--max-flops", "1"), 4, "no candidate costs"),
        (("--level", "2"), 2, "--level 2"),
    ],
)
def test_mistakes(
    curves: Path, call: Callable[..., Any], flags: tuple[str, ...], code: int, said: str
) -> None:
    answer = call(*_words(curves, *flags))
    assert (answer.code, answer.out) == (code, "")
    assert said in answer.err
    assert "Traceback" not in answer.err


def test_the_curves_have_to_be_there(curves: Path, call: Callable[..., Any]) -> None:
    bare = ("next", str(curves / "fits"), "--schedule", S, "--at", "r=0.6,N=100k")
    answer = call(*bare)
    assert answer.code == 2
    assert "--losses curves.csv" in answer.err
    other = pd.read_csv(curves / "curves.csv")
    other = other[other["r"] != 0.3]
    other.to_csv(curves / "fewer.csv", index=False)
    answer = call(*bare, "--losses", str(curves / "fewer.csv"))
    assert (answer.code, "has no curve" in answer.err) == (3, True)
    worse = pd.read_csv(curves / "curves.csv")
    worse.loc[worse["phase"] != "base", "value"] *= 1.2
    worse.to_csv(curves / "worse.csv", index=False)
    answer = call(*bare, "--losses", str(curves / "worse.csv"))
    assert (answer.code, "they are others" in answer.err) == (3, True)
    flags = ("next", str(curves / "fits"), "--ask", "replay")
    assert "means nothing without --schedule" in call(*flags).err
