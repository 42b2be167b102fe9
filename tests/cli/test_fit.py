"""dcpt fit: parameters held, bounded and tied from the command line; what is written beside the fits."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

QUICK = ("--bootstrap", "0", "--no-holdouts", "--json")


def values(answer: Any) -> dict[str, dict[str, float]]:
    assert answer.code == 0, answer.err
    return {f"{item['law']} on {item['eval_set']}": item["values"] for item in answer.document["fits"]}


def test_fix_bound_and_tie(losses: Path, call: Callable[..., Any]) -> None:
    words = ("--fix", "nu=0.3", "--bound", "eps=0.05:0.2", "--tie", "beta=alpha + 0.1")
    found = values(call("fit", "losses.csv", "-o", "fits/a", "--law", "d-cpt", *words, *QUICK))
    assert set(found) == {"d-cpt on general", "d-cpt on domain"}
    for theta in found.values():
        assert theta["nu"] == 0.3
        assert 0.05 <= theta["eps"] <= 0.2
        assert theta["beta"] == pytest.approx(theta["alpha"] + 0.1)


def test_laws_and_sets_can_be_chosen(losses: Path, call: Callable[..., Any]) -> None:
    words = ("--law", "chinchilla", "--eval-set", "domain")
    assert set(values(call("fit", "losses.csv", "-o", "fits/a", *words, *QUICK))) == {"chinchilla on domain"}


def test_units_and_sides_of_a_foreign_table(folder: Path, losses: Path, call: Callable[..., Any]) -> None:
    """--scale and --role say what `dcpt ingest` would: the fit is the same."""
    import pandas as pd

    table = pd.read_csv(losses).drop(columns="role")
    table.assign(r=100 * table["r"], eval_set=table["eval_set"].replace("domain", "law")).to_csv(
        "foreign.csv", index=False
    )
    words = ("--law", "chinchilla", *QUICK)
    ours = values(call("fit", "losses.csv", "-o", "fits/a", "--eval-set", "domain", *words))
    theirs = values(
        call(
            "fit", "foreign.csv", "-o", "fits/b", "--eval-set", "law", *words,
            "--role", "law=domain", "--scale", "r=0.01",
        )
    )  # fmt: skip
    assert theirs["chinchilla on law"] == pytest.approx(ours["chinchilla on domain"], rel=1e-6)


def test_a_fit_remembers_its_table(folder: Path, losses: Path, call: Callable[..., Any]) -> None:
    """Relative, so that both can move; a table that is gone is asked for."""
    words = ("--law", "d-cpt", *QUICK)
    assert call("fit", "losses.csv", "-o", "fits/mine", *words).code == 0
    pointer = json.loads(Path("fits/mine/source.json").read_text())
    assert pointer["losses"] == "../../losses.csv"
    Path("elsewhere").mkdir()
    shutil.move("losses.csv", "elsewhere")
    shutil.move("fits", "elsewhere")
    at = ("--at", "N=1M,D=2M", "--keep", "general <= +5%")
    assert call("plan", "elsewhere/fits/mine", *at).code == 0
    Path("elsewhere/losses.csv").unlink()
    gone = call("plan", "elsewhere/fits/mine", *at, "--force")
    assert gone.code == 2
    assert "pass --losses FILE" in gone.err
    # A ceiling in nats needs no base, hence no table.
    assert (
        call("plan", "elsewhere/fits/mine", "--at", "N=1M,D=2M", "--keep", "general <= 3.5", "--force").code
        == 0
    )
