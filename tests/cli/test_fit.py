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


@pytest.mark.parametrize("words", [("--fix", "A=40.85"), ("--bound", "B=0:5"), ("--bound", "A=1:1e7")])
def test_a_coefficient_with_a_unit_is_not_held_at_a_value(
    losses: Path, call: Callable[..., Any], words: tuple[str, str]
) -> None:
    """A number copied from the raw `params` of a result means another loss in the units of the fit."""
    answer = call("fit", "losses.csv", "--law", "d-cpt", *words, *QUICK)
    assert answer.code == 2
    assert "powers of 1000" in answer.err
    assert "free of units are E, C, alpha, nu, beta, eps, gamma" in answer.err


def test_what_is_free_of_units_is_held(losses: Path, call: Callable[..., Any]) -> None:
    words = ("--fix", "E=0.5", "--fix", "B=0", "--bound", "A=0:1e6")
    for theta in values(call("fit", "losses.csv", "--law", "d-cpt", *words, *QUICK)).values():
        assert (theta["E"], theta["B"]) == (0.5, 0.0)


def test_units_are_found_from_the_formula() -> None:
    from dcpt.cli.law_parameters import unit_bound
    from dcpt.laws import get_law

    want = {
        "chinchilla": {"A", "B"},
        "kaplan": {"A", "B"},
        "d-cpt-l5": {"A", "B", "sigma"},
        "anchored-surface": {"c", "d", "b", "g"},
        "size-mixture": {"A", "B", "C"},
        "replay-shift": set(),
        "data-constrained": {"B", "g"},
    }
    assert {name: set(unit_bound(get_law(name))) for name in want} == want


def test_laws_named_are_ranked_and_all_fitted(losses: Path, call: Callable[..., Any]) -> None:
    words = ("--law", "d-cpt", "--law", "chinchilla", "--bootstrap", "0")
    document = call("fit", "losses.csv", *words, "--json").document
    assert {(item["law"], item["eval_set"]) for item in document["fits"]} == {
        (law, side) for law in ("d-cpt", "chinchilla") for side in ("general", "domain")
    }
    rows = document["tournament"]["rows"]
    assert {row["model"] for row in rows if row["law"]} == {"d-cpt", "chinchilla"}
    assert any(not row["law"] for row in rows)
    for side in ("general", "domain"):
        laws = [row for row in rows if row["law"] and row["eval_set"] == side and row["kind"] == "all"]
        assert [row["model"] for row in laws] == ["d-cpt", "chinchilla"]
        assert laws[0]["mae"] < laws[1]["mae"]
        assert laws[1]["lo"] <= laws[1]["difference"] <= laws[1]["hi"]
    assert "least error: " in call("fit", "losses.csv", *words).out
    assert "tournament" not in call("fit", "losses.csv", *words, "--no-holdouts", "--json").document
    alone = ("--law", "d-cpt", "--bootstrap", "0", "--json")
    assert "tournament" not in call("fit", "losses.csv", *alone).document


def test_laws_that_cannot_be_ranked_are_still_fitted(folder: Path, call: Callable[..., Any]) -> None:
    """One size and one number of tokens: nothing to leave out, and a law of the ensemble fits."""
    rows = "".join(f"1e6,1e6,{2.5 + 0.5 / k},{k}\n" for k in (1, 2, 4, 8))
    Path("few.csv").write_text("N,D,value,K\n" + rows)
    words = ("--law", "ensemble-asymptote", "--law", "chinchilla", "--bootstrap", "0", "--json")
    answer = call("fit", "few.csv", *words)
    assert answer.code == 0, answer.err
    assert [item["law"] for item in answer.document["fits"]] == ["ensemble-asymptote"]
    assert "tournament" not in answer.document
    assert any("not ranked: general allows no hold-out" in note for note in answer.document["notes"])
