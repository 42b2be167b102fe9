"""Third data sets from the command line: fitted beside the two losses, predicted along a schedule."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

S = "wsd(peak=1e-3, steps=300, warmup=10, decay=20%)"
LAW = ("--law", "out-of-domain")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, world: ModuleType, call: Callable[..., Any]) -> Path:
    """Fits of both losses and of a third set that follows from them, and one that does not."""
    made = tmp_path_factory.mktemp("third")
    table = world.table((0.3, 0.6, 0.9))
    sides = {side: table[table["eval_set"] == f"{side}/dense"] for side in ("general", "domain")}
    both = sides["general"].merge(sides["domain"], on=["run_id", "step"], suffixes=("", "_domain"))
    follows = 0.4 + 0.6 * both["value"] + 0.3 * both["value_domain"]
    other = 3.0 + 0.1 * (both["step"] % 3)
    thirds = [
        both[list(table)].assign(eval_set=name, role="", value=value)
        for name, value in (("code/dense", follows), ("odd/dense", other))
    ]
    pd.concat([table, *thirds]).to_csv(made / "curves.csv", index=False)
    law = ("--law", "cpt-dynamics+replay+intrinsic-power", "--bootstrap", "4", "--no-holdouts")
    for words in (("--eval-set", "general/dense", "--eval-set", "domain/dense", *law), LAW):
        answer = call("fit", str(made / "curves.csv"), *words, "-o", str(made / "fits"), "--json")
        assert answer.code == 0, answer.err
    return made


def test_a_third_set_is_fitted_and_predicted(folder: Path, call: Callable[..., Any]) -> None:
    answer = call("fit", str(folder / "curves.csv"), *LAW, "--json")
    assert (answer.code, answer.document["kind"]) == (0, "out-of-domain-fit")
    found = {fit["eval_set"]: fit for fit in answer.document["fits"]}
    law = found["code/dense"]["law"]
    assert (law["general"], law["domain"], law["intercept"]) == pytest.approx((0.6, 0.3, 0.4), abs=1e-6)
    assert (found["code/dense"]["promises"], found["odd/dense"]["promises"]) == (True, False)
    asked = call("predict", str(folder / "fits"), "--schedule", S, "--at", "r=0.6", "--json")
    assert asked.code == 0, asked.err
    rows = {row["eval_set"]: row for row in asked.document["predictions"]}
    assert set(rows) == {"general/dense", "domain/dense", "code/dense"}
    combined = 0.4 + 0.6 * rows["general/dense"]["mean"] + 0.3 * rows["domain/dense"]["mean"]
    assert rows["code/dense"]["mean"] == pytest.approx(combined, abs=1e-6)
    assert rows["code/dense"]["mean_lo"] < combined < rows["code/dense"]["mean_hi"]
    assert any("odd/dense: the combination explains" in note for note in asked.document["notes"])
    alone = call("predict", str(folder / "fits"), "--schedule", S, "--at", "r=0.6", *LAW, "--json")
    assert [row["eval_set"] for row in alone.document["predictions"]] == ["code/dense"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--law", "out-of-domain", "--law", "momentum"), 2, "fitted by itself"),
        ((*LAW, "--side", "domain"), 2, "--side means nothing for --law out-of-domain"),
        ((*LAW, "--eval-set", "codes"), 2, "there is no set 'codes'"),
        ((*LAW, "--fix", "general=1"), 2, "--fix intercept=0"),
        ((*LAW, "--eval-set", "odd/dense", "--strict"), 5, "it is not used to predict"),
        ((*LAW, "--fix", "intercept=0"), 0, "nothing is written"),
    ],
)
def test_what_a_third_set_is_asked_with(
    folder: Path, call: Callable[..., Any], words: tuple[str, ...], code: int, said: str
) -> None:
    answer = call("fit", str(folder / "curves.csv"), *words)
    assert (answer.code, said in answer.err) == (code, True), answer.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--eval-set", "odd/dense"), 4, "explains"),
        ((*LAW, "--eval-set", "general/dense"), 2, "holds no combination for 'general/dense'"),
        (("--eval-set", "codes"), 2, "nothing is fitted to 'codes'"),
    ],
)
def test_what_is_not_predicted(
    folder: Path, call: Callable[..., Any], words: tuple[str, ...], code: int, said: str
) -> None:
    answer = call("predict", str(folder / "fits"), "--schedule", S, "--at", "r=0.6", *words)
    assert (answer.code, said in answer.err) == (code, True), answer.err


def test_a_third_set_of_one_side_is_left_out_unless_it_was_asked_for(
    folder: Path, call: Callable[..., Any]
) -> None:
    """Also in a folder whose name has a dot."""
    one = folder / "v1.2"
    one.mkdir()
    (one / "out_of_domain.json").write_bytes((folder / "fits/out_of_domain.json").read_bytes())
    kept = json.loads((folder / "fits/curves.json").read_text())
    kept["sets"] = [item for item in kept["sets"] if item["side"] == "general"]
    (one / "curves.json").write_text(json.dumps(kept))
    asked = ("predict", str(one), "--schedule", S, "--at", "r=0.6")
    answer = call(*asked, "--json")
    assert answer.code == 0, answer.err
    assert [row["eval_set"] for row in answer.document["predictions"]] == ["general/dense"]
    assert any("code/dense is left out" in note for note in answer.document["notes"])
    for words in (LAW, ("--eval-set", "code/dense")):
        refused = call(*asked, *words)
        assert (refused.code, "nothing is fitted to 'domain'" in refused.err) == (2, True), refused.err
