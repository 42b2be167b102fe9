"""Loss curves from the command line: fit, predict, plan, laws, and what is said to those who err."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

S = "wsd(peak=1e-3, steps=300, warmup=10, decay=20%)"
QUICK = ("--bootstrap", "4", "--no-holdouts")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, world: ModuleType, call: Callable[..., Any]) -> Path:
    """A folder with fits of both sides to curves of three mixtures, and the document about them."""
    folder = tmp_path_factory.mktemp("curves")
    world.table((0.3, 0.6, 0.9)).to_csv(folder / "curves.csv", index=False)
    words = ("--law", "cpt-dynamics+replay+intrinsic-power", *QUICK, "--json")
    answer = call("fit", str(folder / "curves.csv"), "-o", str(folder / "fits"), *words)
    assert answer.code == 0, answer.err
    (folder / "document.json").write_text(answer.out)
    return folder


@pytest.fixture(scope="module")
def joint(tmp_path_factory: pytest.TempPathFactory, world: ModuleType, call: Callable[..., Any]) -> Path:
    """One folder with joint-general and joint-domain, each of its side, from bases of two sizes."""
    folder = tmp_path_factory.mktemp("joint")
    parts = [world.table((0.3, 0.6, 0.9)), world.table((0.3, 0.6, 0.9), seed=1)]
    larger = parts[1]
    larger["N"] *= 2
    larger["value"] *= 0.95
    larger["run_id"] = "large-" + larger["run_id"]
    pd.concat(parts).to_csv(folder / "curves.csv", index=False)
    words = ("--law", "joint-general", "--law", "joint-domain", "--max-rows", "300", *QUICK)
    answer = call("fit", str(folder / "curves.csv"), "-o", str(folder / "fits"), *words, "--json")
    assert answer.code == 0, answer.err
    found = {fit["side"]: fit["law"] for fit in answer.document["fits"]}
    assert found == {"general": "joint-general", "domain": "joint-domain"}
    return folder


@pytest.fixture
def ask(kept: Path, call: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    def run(question: str, *words: str) -> Any:
        file = str(tmp_path / "plan.json")
        answer = call(
            "plan", str(kept / "fits"), "--schedule", S, "--ask", question, "--at", "r=0.6", "-o", file,
            "--force", "--json", *words,
        )  # fmt: skip
        assert answer.code == 0, answer.err
        assert json.loads(Path(file).read_text())["question"] == question
        return answer.document

    return run


def test_one_document_says_all_of_a_fit(kept: Path, world: ModuleType) -> None:
    document = json.loads((kept / "document.json").read_text())
    assert (document["schema_version"], document["kind"]) == (1, "curve-fit")
    assert [fit["eval_set"] for fit in document["fits"]] == ["general/dense", "domain/dense"]
    for fit in document["fits"]:
        assert (fit["law"], fit["delta"]) == ("cpt-dynamics+replay+intrinsic-power", 1e-3)
        assert fit["mae"] < 0.0015
        assert {"r2", "rmse", "mape", "worst", "last", "status", "warnings", "seconds"} <= set(fit)
        assert set(fit["intervals"]) == set(fit["params"])
        for name, (low, high) in fit["intervals"].items():
            assert low <= fit["params"][name] <= high
    assert document["base_schedules"] == [world.BASE.text]
    assert any("general/dense" in note for note in document["notes"])


def test_a_prediction_is_that_of_the_law_that_made_the_losses(
    kept: Path, world: ModuleType, call: Callable[..., Any], tmp_path: Path
) -> None:
    from dcpt.core.schedule_joined import JoinedSchedule
    from dcpt.core.schedule_text import parse_schedule

    picture = tmp_path / "predicted.svg"
    words = ("--at", "r=0.6", "--steps", "0,100,300", "--figure", str(picture), "--json")
    answer = call("predict", str(kept / "fits"), "--schedule", S, *words)
    assert answer.code == 0, answer.err
    joined = JoinedSchedule(world.BASE, parse_schedule(S))
    for side in ("general", "domain"):
        rows = [row for row in answer.document["predictions"] if row["side"] == side]
        steps = [row["step"] + world.BASE.steps for row in rows]
        truth = world.true_losses(side, joined, steps, 0.6, mixtures=True)
        assert [row["mean"] for row in rows] == pytest.approx(truth, abs=0.004)
        assert all(row["obs_lo"] <= row["mean_lo"] <= row["mean"] <= row["obs_hi"] for row in rows)
        assert not any(row["extrapolates"] for row in rows)
    assert picture.read_text().startswith("<?xml")
    assert picture.with_stem("predicted-2").exists()
    assert "pre-training is that of the fitted curves" in answer.document["notes"][0]


def test_a_prediction_beyond_what_was_fitted_says_so(kept: Path, call: Callable[..., Any]) -> None:
    high = "wsd(peak=2e-3, steps=300, warmup=10, decay=20%)"
    answer = call("predict", str(kept / "fits"), "--schedule", high, "--at", "r=0.95", "--strict", "--json")
    assert answer.code == 5
    doubts = answer.document["predictions"][0]["doubts"]
    assert any("share r is 0.95" in doubt for doubt in doubts)
    assert any("peak rate of continual pre-training is 0.002" in doubt for doubt in doubts)


def test_no_loss_below_zero_is_predicted(kept: Path, call: Callable[..., Any]) -> None:
    absurd = "wsd(peak=100, steps=300, warmup=10, decay=20%)"
    answer = call("predict", str(kept / "fits"), "--schedule", S, "--base-schedule", absurd, "--at", "r=0.6")
    assert answer.code == 4, answer.out
    assert "has no positive loss of" in answer.err
    assert "nearer to the fitted runs" in answer.err


def test_every_question_is_one_command(ask: Callable[..., Any], world: ModuleType) -> None:
    from dcpt.cli.curve_answers import QUESTIONS, TAKES
    from dcpt.cli.curve_options import ASK

    assert all(name in ASK for name in QUESTIONS)
    assert set(TAKES) == set(QUESTIONS)
    share = ask("anneal-share", "--values", "0,0.1,0.2,0.4")
    losses = {row["anneal_share"]: row["objective"] for row in share["rows"]}
    assert list(losses) == [0, 0.1, 0.2, 0.4]
    assert losses[share["best"]] == min(losses.values())
    end = ask("final-loss")
    assert end["objective"] == pytest.approx(losses[0.2])
    assert end["weights"] == {"general": 0.5, "domain": 0.5}
    best = ask("best-schedule")
    assert best["gain"] >= 0
    assert best["objective"] == pytest.approx(end["objective"] - best["gain"])
    assert ask("rewarm", "--values", "0,10")["rows"][1]["objective"] > 0
    potential = ask("potential")
    assert potential["knob"] == "potential"
    # The bases of the fitted curves end in one way only; what another end does no curve has shown.
    assert "extrapolates_base" in {item["kind"] for item in potential["caveats"]}
    own = str(world.BASE.rates()[-1] / world.BASE.peak)
    same = ask("potential", "--values", own)
    assert "extrapolates_base" not in {item["kind"] for item in same["caveats"]}
    # More general text is better for the general loss, less of it for the domain loss.
    replay = ask("replay", "--weight", "1")
    assert replay["best"] == max(row["replay"] for row in replay["rows"])
    # The share is what is asked: none need be given, and it may be in per cent.
    few = ask("replay", "--weight", "1", "--values", "10%,0.4")
    assert [row["replay"] for row in few["rows"]] == [0.1, 0.4]
    replay = ask("replay", "--weight", "0")
    assert replay["best"] == min(row["replay"] for row in replay["rows"])
    assert ask("turning-length", "--longest", "5k")["longest"] == 5000
    assert ask("critical-point")["area"]["value"] >= 0
    assert [row["weight"] for row in ask("balance", "--values", "0.2,0.8")["rows"]] == [0.2, 0.8]
    assert ask("upsampling")["rows"][0]["r_late"] == 0.6
    assert any(
        item["kind"] == "extrapolates_peak" for item in ask("peak", "--values", "1e-3,2e-3")["caveats"]
    )


def test_every_row_says_what_was_not_fitted_and_strict_heeds_it(
    kept: Path, call: Callable[..., Any], tmp_path: Path
) -> None:
    """All curves have one peak: a row at twice that, though not the best, is no evidence."""
    file = ("-o", str(tmp_path / "plan.json"), "--force", "--strict")
    asked = ("plan", str(kept / "fits"), "--schedule", S, "--at", "r=0.6", *file, "--ask")
    inside = call(*asked, "anneal-share", "--values", "0.1,0.2")
    assert (inside.code, "outside" in inside.out) == (0, False), inside.err
    beyond = call(*asked, "peak", "--values", "1e-3,2e-3")
    rows = json.loads((tmp_path / "plan.json").read_text())["rows"]
    assert beyond.code == 5
    assert rows[0]["outside"] == ""
    assert rows[1]["outside"].startswith("peak 2x")
    assert "peak 2x" in beyond.out
    long = call(*asked, "final-loss", "--schedule", S.replace("300", "3000"), "--json")
    assert long.code == 5
    assert all("steps" in row["outside"] for row in long.document["rows"])


def test_the_best_rates_are_a_file_that_is_a_schedule(
    kept: Path, call: Callable[..., Any], tmp_path: Path
) -> None:
    plan, picture = tmp_path / "best.json", tmp_path / "best.png"
    words = ("--at", "r=0.6", "-o", str(plan), "--figure", str(picture))
    answer = call("plan", str(kept / "fits"), "--schedule", S, "--ask", "best-schedule", *words)
    assert answer.code == 0, answer.err
    assert picture.exists()
    rates = str(plan.with_suffix(".csv"))
    again = call("predict", str(kept / "fits"), "--schedule", rates, "--at", "r=0.6", "--json")
    expected = {row["side"]: row["loss"] for row in json.loads(plan.read_text())["rows"]}
    assert {row["side"]: row["mean"] for row in again.document["predictions"]} == pytest.approx(expected)


def test_joint_laws_start_from_the_bases_of_the_fitted_curves(
    joint: Path, world: ModuleType, call: Callable[..., Any], tmp_path: Path
) -> None:
    table = pd.read_csv(joint / "curves.csv")
    base = table[(table["phase"] == "base") & (table["N"] == world.N)].set_index("eval_set")["value"]

    def final(at: str) -> Any:
        file = str(tmp_path / "plan.json")
        return call("plan", str(joint / "fits"), "--schedule", S, "--at", at, "-o", file, "--force", "--json")

    own = final(f"r=0.6,N={world.N}")
    assert own.code == 0, own.err
    said = f"r=0.6,N={world.N},G0={float(base['general/dense'])},L0={float(base['domain/dense'])}"
    assert final(said).document["rows"] == own.document["rows"]
    assert any("of the fitted base" in note for note in own.document["notes"])
    (domain,) = [row for row in own.document["rows"] if row["side"] == "domain"]
    assert domain["loss"] - domain["change"] == pytest.approx(base["domain/dense"])
    far = final(f"r=0.6,N={world.N},G0=33.2,L0=40").document
    assert "extrapolates_base" in {item["kind"] for item in far["caveats"]}
    words = ("--schedule", S, "--at", "r=0.6,L0=40,G0=33.2", "--eval-set", "domain", "--json")
    assert call("predict", str(joint / "fits"), *words).document["predictions"][0]["extrapolates"]


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("r=0.6,N=70k", "no fitted base is the one asked about"),
        ("r=0.6,N=50k,L0=3", "laws of both sides read it"),
        ("r=0.6,N=0", "N is 0; wanted a number of parameters, more than 0"),
        ("r=0.6,N=50k,G0=-3.2,L0=4", "G0 is -3.2; wanted"),
    ],
)
def test_constants_that_a_joint_law_cannot_take(
    joint: Path, call: Callable[..., Any], at: str, said: str
) -> None:
    answer = call("plan", str(joint / "fits"), "--schedule", S, "--at", at)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err


def test_laws_are_ranked_and_scored_on_curves_left_out(
    folder: Path, world: ModuleType, call: Callable[..., Any]
) -> None:
    from dcpt.core.schedule import Schedule

    (folder / "logs").mkdir()
    shapes = {
        "flat": Schedule("constant", 1e-3, 400, 40),
        "wsd": Schedule("wsd", 1e-3, 400, 40, 80),
        "cos": Schedule("cosine", 1e-3, 400, 40, floor=0.1),
        "long": Schedule("wsd", 1e-3, 600, 40, 120),
    }
    for name, schedule in shapes.items():
        world.log(schedule, first=41, every=20).to_csv(folder / "logs" / f"{name}.csv", index=False)
    laws = ("--law", "intrinsic-power", "--law", "momentum")
    words = ("--warmup", "40", "--test", "long", "--figure", "fit.png", *QUICK)
    answer = call("fit", "logs", *laws, *words, "--json")
    assert answer.code == 0, answer.err
    (found,) = answer.document["sets"]
    assert "intrinsic-power" in found["best"]
    assert found["test_mae"] == found["tests"][" & ".join(found["best"])][0]["mae"] < 0.005
    assert [row["name"] for row in found["tests"]["momentum"]] == ["long"]
    assert (folder / "fit.png").read_bytes()[:4] == b"\x89PNG"
    text = call("fit", "logs", *laws, *words, "--force")
    assert "errs least where 3 schedules in turn were left out" in text.out
    assert "not fitted: mean absolute error" in text.out


def test_auto_curve_keeps_what_predicts_best(
    folder: Path, world: ModuleType, call: Callable[..., Any]
) -> None:
    world.table().to_csv("curves.csv", index=False)
    words = (
        "--law",
        "auto-curve",
        "--side",
        "general",
        "-o",
        "fits",
        "--burn-in",
        "20",
        "--max-rows",
        "60",
        *QUICK,
    )
    answer = call("fit", "curves.csv", *words, "--json")
    assert answer.code == 0, answer.err
    (found,) = answer.document["sets"]
    assert all(name.startswith("cpt-dynamics") for name in found["best"])
    assert set(found["best"]) <= {row["name"] for row in found["choice"]}
    assert {fit["law"] for fit in answer.document["fits"]} >= set(found["best"])
    assert call("predict", "fits", "--schedule", S).code == 0
    for words in (("predict", "--at", "N=1,D=1"), ("plan", "--at", "N=1,D=1", "--keep", "general <= 3")):
        other = call(words[0], "fits", *words[1:])
        assert (other.code, "they are asked about a schedule" in other.err) == (2, True)


def test_laws_of_curves_are_listed_and_shown(call: Callable[..., Any]) -> None:
    listed = call("laws").out
    assert all(f"\n{name} " in listed for name in ("momentum", "multi-power", "cpt-dynamics-unknown-base"))
    assert "+replay-log" in listed
    shown = call("laws", "cpt-dynamics+replay", "--json").document
    assert shown["kind"] == "law"
    assert (shown["of"], shown["needs"]) == ("curves", ["s"])
    assert {"L0", "beta", "k"} <= {item["name"] for item in shown["parameters"]}
    text = call("laws", "cpt-dynamics").out
    assert "S1cpt" in text
    assert "arXiv:2505.07796" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("predict", "--schedule", S), "reads r; it is not given"),
        (("predict", "--schedule", S, "--at", "r=0.6", "--steps", "301"), "301 is no step of the schedule"),
        (
            ("predict", "--schedule", "wsd(peek=1)", "--at", "r=0.6"),
            "--schedule: schedule: wsd: unknown name",
        ),
        (("plan", "--schedule", S, "--at", "r=0.6,L0=3"), "'L0' is unknown to questions"),
        (("plan", "--schedule", S, "--at", "r=0.6", "--values", "many", "--ask", "peak"), "--values"),
        (("plan", "--schedule", S, "--at", "r=0.6", "--weight", "0", "--ask", "balance"), "--values 0"),
        (("plan", "--schedule", S, "--at", "r=0.6", "--longest", "9"), "--longest means nothing for"),
        (("plan", "--schedule", S, "--at", "r=0.6", "--floor", "0.1", "--ask", "peak"), "best-schedule"),
        (("plan", "--schedule", "constant(peak=1e-3, steps=0)", "--at", "r=0.6"), "has no steps"),
    ],
)
def test_a_question_that_cannot_be_asked(
    kept: Path, call: Callable[..., Any], words: tuple[str, ...], said: str
) -> None:
    answer = call(words[0], str(kept / "fits"), *words[1:])
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
