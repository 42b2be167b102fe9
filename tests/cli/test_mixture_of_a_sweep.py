"""From a sweep of four corpora in a known world to a plan, a figure, a page and a launch."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "sweep"))

from four_corpora import STEP, four_document, pretend_finished, true_losses, write_four

from dcpt.fit.mixtures import load_mixtures
from dcpt.launch.launch import lay_out
from dcpt.launch.mixture import prepare_mixture_launch
from dcpt.plan.mixtures.mixture_plan_file import read_mixture_plan
from dcpt.run import store
from dcpt.sweep.collect import collect
from dcpt.sweep.mixture_rows import write_mixtures
from dcpt.sweep.prepare import prepare


@pytest.fixture
def swept(folder: Path) -> Path:
    """``mix``: two corpora a side, 24 mixtures trained, and a target that keeps 'general <= +4%'."""
    root = write_four(folder / "mix")
    document = four_document({"count": 24, "repeats": 2})
    size = {**document["model"]["sizes"][0], "name": "big", "layers": 3}
    document["target"] = {"size": size, "tokens": 60 * STEP, "keep": "general <= +4%"}
    (root / "sweep.yaml").write_text(yaml.safe_dump(document))
    sweep = prepare(root)
    for run in sweep.design.runs:
        pretend_finished(sweep.root, run, 0.003)
    write_mixtures(root, sweep.design.runs, collect(sweep.root, sweep.design.runs, True))
    return root


def test_a_sweep_says_what_its_plan_is_for(swept: Path, call: Callable[..., Any]) -> None:
    """Sides, the base's losses and the target's limit come with the runs: nothing has to be said again."""
    fitted = call("fit", "mix", "-o", "fits/mix")
    assert fitted.code == 0, fitted.err
    fit = load_mixtures("fits/mix/mixture.json")
    assert fit.sides == ("general", "general", "domain", "domain")
    assert fit.keep == ("general <= +4%",)
    assert fit.N is not None
    base = prepare(swept).design.runs[0].mixture.phases[0].shares
    before = true_losses(dict(base), 0.003)
    assert fit.base is not None
    assert dict(zip(fit.targets, fit.base, strict=True)) == pytest.approx(before)
    answer = call("plan", "fits/mix", "--figure", "mix.png")
    assert answer.code == 0, answer.err
    assert "keeps general <= +4%, as the sweep's target asks" in answer.err
    assert Path("mix.png").read_bytes()[:4] == b"\x89PNG"
    plan = read_mixture_plan("fits/mix/mixture-plan.json")
    assert plan.question.minimise == "domain"
    general = next(item for item in plan.losses if item.target == "general")
    assert general.ceiling == pytest.approx(1.04 * before["general"])
    assert true_losses(plan.mixture)["general"] == pytest.approx(general.ceiling, rel=0.01)
    assert plan.reference == "base before continual pre-training"
    # The domain loss of the best mixture without the limit is lower, and breaks it.
    free = call("plan", "fits/mix", "--keep", "none", "--json", "-o", "free.json").document
    assert free["value"] < plan.value
    assert true_losses(free["mixture"])["general"] > general.ceiling + 0.05
    page = call("report", "fits/mix")
    assert page.code == 0, page.err
    text = Path("fits/mix/report.html").read_text()
    for words in ("Lowest domain, keeping general ≤ +4%", "Which mixture", "Beside other mixtures", "prose"):
        assert words in text
    assert text.count("data:image/svg+xml") == 4  # two figures in two themes
    assert {path.name for path in Path("fits/mix/figures").iterdir()} == {
        "mixture-shares.png",
        "mixture-compared.png",
    }


def test_a_planned_mixture_is_launched_on_the_target(swept: Path, call: Callable[..., Any]) -> None:
    assert call("fit", "mix", "-o", "fits/mix").code == 0
    assert call("plan", "fits/mix").code == 0
    planned = read_mixture_plan("fits/mix/mixture-plan.json")
    answer = call("launch", "fits/mix", "--sweep", "mix", "--dry-run", "--json")
    assert answer.code == 0, answer.err
    spec = answer.document["launch"]
    assert (spec["size"], spec["D"]) == ("big", 60 * STEP)
    (run,) = spec["runs"]
    assert run["shares"] == pytest.approx(planned.mixture, abs=2e-6)
    assert sum(run["shares"].values()) == pytest.approx(1, abs=1e-12)
    assert run["r"] == pytest.approx(run["shares"]["law"] + run["shares"]["code"], abs=2e-6)
    assert "what carries over is its shares" in answer.err
    refused = call("launch", "fits/mix", "--sweep", "mix", "--dry-run", "--ratio", "0.3")
    assert (refused.code, "has no ratio" in refused.err) == (2, True)
    other = json.loads(Path("fits/mix/mixture-plan.json").read_text())
    other["mixture"]["prosa"] = other["mixture"].pop("prose")
    other["shares"][0]["corpus"] = "prosa"
    Path("other.json").write_text(json.dumps(other))
    wrong = call("launch", "other.json", "--sweep", "mix", "--dry-run")
    assert (wrong.code, "is not in both" in wrong.err) == (2, True)


def test_a_launched_mixture_is_held_against_its_plan(swept: Path, call: Callable[..., Any]) -> None:
    """At the fitted size: a band while it runs, then share by share and target by target what came out."""
    document = yaml.safe_load((swept / "sweep.yaml").read_text())
    del document["target"]
    (swept / "sweep.yaml").write_text(yaml.safe_dump(document))
    assert call("fit", "mix", "-o", "fits/mix").code == 0
    fit = load_mixtures("fits/mix/mixture.json")
    assert call("plan", "fits/mix", "--keep", "general <= +4%").code == 0
    plan = read_mixture_plan("fits/mix/mixture-plan.json")
    ready = prepare_mixture_launch(plan, prepare(swept))
    run = ready.runs[-1]
    lay_out(ready)
    band = json.loads((store.run_folder(swept, run.run_id) / "band.json").read_text())
    ends = {row["eval_set"]: row for row in band["rows"] if row["step"] == run.schedule.steps}
    assert set(ends) == {item.target for item in plan.losses} == {"general", "domain"}
    domain = next(item for item in plan.losses if item.target == "domain")
    assert (ends["domain"]["lo"], ends["domain"]["hi"]) == (domain.run_lo, domain.run_hi)
    pretend_finished(swept, run)
    pretend_finished(swept, ready.runs[0])
    done = call("launch", "fits/mix", "--sweep", "mix")
    assert done.code == 0, done.err
    answer = call("compare", "fits/mix")
    assert answer.code == 0, answer.err
    rows = {row["target"]: row for row in call("compare", "fits/mix", "--json").document["rows"]}
    truth = true_losses(dict(run.shares))
    for name, row in rows.items():
        assert row["measured"] == pytest.approx(truth[name])
        assert row["predicted"] == pytest.approx(
            next(i.mean for i in plan.losses if i.target == name), abs=1e-4
        )
        assert row["in_obs"]
        assert row["as_planned"]
    assert rows["general"]["kept"] is (truth["general"] <= rows["general"]["ceiling"])
    for name, share in run.shares.items():
        assert f"{name:<8} {plan.mixture[name]:>9.4f} {share:>9.4f}" in answer.out
    assert "The goal (domain) of" in answer.out
    assert "inside the predicted" in answer.out
    assert "planned mixture, size and tokens" not in answer.out
    # Every mixture of the sweep's own table is predicted at its own shares; none of them is the plan's.
    other = call("compare", "fits/mix", str(swept / "losses.csv"))
    assert (other.code, "losses.csv" in other.err) == (3, True)  # no sweep has written it here
    collect(swept, prepare(swept).design.runs, True).write(swept / "losses.csv")
    other = call("compare", "fits/mix", str(swept / "losses.csv"))
    assert f"{len(fit.shares)} launched mixtures" in other.out
    assert "None of these runs has the planned mixture, size and tokens" in other.out
    plain = collect(swept, [run]).write(Path("plain.csv"))
    refused = call("compare", "fits/mix", str(plain))
    assert (refused.code, "says no shares of corpora" in refused.err) == (3, True)
