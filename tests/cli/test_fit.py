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


def document(call: Callable[..., Any], law: str, *words: str) -> dict[str, Any]:
    answer = call("fit", "losses.csv", "--law", law, "--eval-set", "domain", *words, *QUICK)
    assert answer.code == 0, answer.err
    found: dict[str, Any] = answer.document
    return found


@pytest.mark.parametrize("law", ["d-cpt", "chinchilla", "size-mixture"])
def test_a_coefficient_held_at_its_printed_value_gives_the_same_fit(
    losses: Path, call: Callable[..., Any], law: str
) -> None:
    """The printed params are for N in parameters; the fit counts in millions, and A moves with alpha."""
    free = document(call, law)
    params = free["params"]
    assert free["units"] == {"N": 1.0, "D": 1.0}
    assert params["A"] != pytest.approx(free["values"]["A"])
    for words in (
        ("--fix", f"A={params['A']!r}"),
        ("--fix", f"B={params['B']!r}", "--fix", f"alpha={params['alpha']!r}"),
        ("--tie", f"B={params['B'] / params['A']!r}*A"),
        ("--bound", f"A={params['A'] / 2!r}:{params['A'] * 2!r}"),
    ):
        held = document(call, law, *words)
        assert held["objective"] == pytest.approx(free["objective"], rel=1e-6)
        assert held["params"] == pytest.approx(params, rel=1e-3, abs=1e-6)


def test_raw_bounds_hold_and_are_said(losses: Path, call: Callable[..., Any]) -> None:
    free = document(call, "chinchilla")["params"]
    low = free["A"] * 1.5
    words = ("--bound", f"A={low!r}:{low * 4!r}", "--eval-set", "domain", "--no-holdouts")
    found = call("fit", "losses.csv", "--law", "chinchilla", *words, "--bootstrap", "20", "--json").document
    assert found["params"]["A"] == pytest.approx(low, rel=1e-6)
    assert found["intervals"]["A"][0] >= low * (1 - 1e-6)
    assert found["status"] == "bound_hit"
    assert any("A sits on its lower bound" in item["message"] for item in found["warnings"])


def test_what_is_free_of_units_is_held(losses: Path, call: Callable[..., Any]) -> None:
    words = ("--fix", "E=0.5", "--fix", "B=0", "--bound", "A=0:1e6")
    for theta in values(call("fit", "losses.csv", "--law", "d-cpt", *words, *QUICK)).values():
        assert (theta["E"], theta["B"]) == (0.5, 0.0)


def test_a_law_without_raw_values_is_held_as_it_is_printed(losses: Path, call: Callable[..., Any]) -> None:
    """sigma of d-cpt-l5 is added to D: no factor on its coefficients undoes a change of units."""
    free = document(call, "d-cpt-l5")
    assert free["units"]["N"] > 1
    words = ("--fix", f"B={free['params']['B']!r}", "--eval-set", "domain", *QUICK)
    answer = call("fit", "losses.csv", "--law", "d-cpt-l5", *words)
    assert answer.document["objective"] == pytest.approx(free["objective"], rel=1e-6)
    assert "are taken in them" in answer.err


def test_profiles_stand_beside_the_intervals(losses: Path, call: Callable[..., Any]) -> None:
    words = ("--law", "chinchilla", "--eval-set", "domain", "--bootstrap", "20", "--no-holdouts", "--profile")
    text = call("fit", "losses.csv", *words).out
    assert "90 % interval" in text
    assert "90 % by profile" in text
    lo, hi = call("fit", "losses.csv", *words, "--json").document["profiles"]["alpha"]
    (line,) = (line for line in text.splitlines() if line.strip().startswith("alpha "))
    assert f"{lo:.4g} to {hi:.4g}" in line
    assert "by profile" not in call("fit", "losses.csv", *words[:-1]).out


@pytest.mark.parametrize(
    ("row", "hint"),
    [
        ({"r": 1.0}, "--corners"),
        ({"D": 0.0}, "rows with D > 0"),
        ({"phase": "trunk"}, "annealed ends carry phase = end"),
    ],
)
def test_rows_that_are_not_fitted_get_their_own_hint(
    losses: Path, call: Callable[..., Any], row: dict[str, Any], hint: str
) -> None:
    import pandas as pd

    table = pd.DataFrame({"N": [1e6, 2e6, 4e6], "D": 1e6, "r": 0.5, "value": [3.0, 2.9, 2.8]})
    table.assign(eval_set="domain", **row).to_csv("few.csv", index=False)
    answer = call("fit", "few.csv", "--law", "d-cpt", "--eval-set", "domain")
    assert answer.code == 3
    assert "none of its" in answer.err
    assert hint in answer.err


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
    one = ("--eval-set", "domain")
    assert "least error: " in call("fit", "losses.csv", *words, *one).out
    assert "tournament" not in call("fit", "losses.csv", *words, *one, "--no-holdouts", "--json").document
    alone = ("--law", "chinchilla", "--bootstrap", "0", *one, "--json")
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
