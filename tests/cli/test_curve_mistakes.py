"""Loss curves from the command line: what is said to those who err before anything is fitted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

S = "wsd(peak=1e-3, steps=300, warmup=10, decay=20%)"


@pytest.fixture(scope="module")
def curves(world: ModuleType) -> str:
    """A table of loss curves, as text."""
    text = world.table().to_csv(index=False)
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("fit", "curves.csv", "--law", "cpt-dynamic"), 2, "did you mean 'cpt-dynamics'"),
        (("fit", "curves.csv", "--law", "momentun"), 2, "did you mean 'momentum'"),
        (("fit", "curves.csv", "--law", "momentum", "--law", "d-cpt"), 2, "wanted laws of one kind"),
        (("fit", "curves.csv", "--law", "momentum", "--tie", "A=L0"), 2, "--tie means nothing"),
        (("fit", "curves.csv", "--law", "d-cpt", "--warmup", "10"), 2, "--warmup speaks of loss curves"),
        (("fit", "curves.csv", "--law", "momentum", "--fix", "lambda=1"), 2, "'lambda' is no parameter"),
        (("fit", "curves.csv", "--law", "momentum", "--train", "nothing"), 2, "no curve is named 'nothing'"),
        (("fit", "curves.csv", "--law", "momentum", "--eval-set", "law"), 2, "--eval-set law: is not there"),
        (("fit", "curves.csv", "--law", "momentum", "--side", "left"), 2, "wanted general or domain"),
        (("fit", "curves.csv", "--law", "momentum", "--map", "eta=rate"), 3, "column 'rate', mapped to eta"),
        (("fit", "curves.csv", "--law", "momentum", "--figure", "a.gif"), 2, "wanted a file ending in .svg"),
        (("fit", "curves.csv", "--law", "joint-domain", "--side", "general"), 2, "is for the domain loss"),
        (("fit", "nowhere", "--law", "momentum"), 3, "nowhere"),
        (("predict", "fits", "--schedule", S), 3, "asks fits of loss curves"),
        (("predict", "fits", "--steps", "100"), 2, "--steps speaks of loss curves"),
        (("plan", "fits", "--schedule", S, "--ask", "aneal-share"), 2, "did you mean 'anneal-share'"),
        (("plan", "fits", "--schedule", S, "--keep", "general <= +2%"), 2, "--keep means nothing"),
    ],
)  # fmt: skip
def test_mistakes_are_one_sentence(
    folder: Path, curves: str, call: Callable[..., Any], words: tuple[str, ...], code: int, said: str
) -> None:
    Path("curves.csv").write_text(curves)
    answer = call(*words)
    assert (answer.code, answer.out) == (code, "")
    assert said in answer.err
    assert "Traceback" not in answer.err
