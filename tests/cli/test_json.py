"""--json: one document with schema_version and kind on stdout, whatever else is said on stderr."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

AT = ("--at", "N=1M,D=2M", "--keep", "general <= +5%")


def check(answer: Any, kind: str) -> dict[str, Any]:
    assert answer.code == 0, answer.err
    document: dict[str, Any] = answer.document
    assert list(document)[:2] == ["schema_version", "kind"]
    assert (document["schema_version"], document["kind"]) == (1, kind)
    return document


def test_laws(call: Callable[..., Any]) -> None:
    listed = check(call("laws", "--json"), "laws")
    laws = listed["laws"]
    assert {"momentum", "cpt-dynamics"} <= {law["name"] for law in listed["curve_laws"]}
    assert any(usage.startswith("cpt-dynamics[") for usage in listed["curve_families"])
    assert {"d-cpt", "chinchilla"} <= {law["name"] for law in laws}
    law = check(call("laws", "show", "d-cpt", "--json"), "law")
    assert law == call("laws", "d-cpt", "--json").document == call("laws", "--json", "d-cpt").document
    assert (law["sides"], [item["name"] for item in law["inputs"]]) == (
        ["general", "domain"],
        ["N", "D", "s"],
    )
    assert all(item["meaning"] for item in (*law["inputs"], *law["parameters"]))
    assert [item["name"] for item in law["parameters"]] == [
        "E", "A", "B", "C", "alpha", "nu", "beta", "eps", "gamma",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["sweep", "objective", "columns"])
def test_schema(call: Callable[..., Any], kind: str) -> None:
    document = check(call("schema", kind, "--json"), "schema")
    assert document["file"] == kind
    assert document["schema"] == call("schema", kind).document


def test_doctor(call: Callable[..., Any]) -> None:
    answer = call("doctor", "--json")
    assert answer.document["kind"] == "doctor"
    assert answer.code == (3 if answer.document["problems"] else 0)


def test_sweep_before_it_runs(folder: Path, call: Callable[..., Any], sweep: Path) -> None:
    made = check(call("sweep", "new", "experiments/other", "--json"), "sweep-new")
    assert Path(made["path"]).exists()
    checked = check(call("sweep", "check", "experiments/mine", "--json"), "sweep-check")
    assert (checked["runs"], [size["N"] for size in checked["sizes"]]) == (22, [1048, 2608, 13408, 1000576])
    dry = check(call("sweep", "run", "experiments/mine", "--dry-run", "--json"), "sweep-run")
    assert dry["dry_run"] is True
    assert not (sweep / "runs").exists()
    status = check(call("sweep", "status", "experiments/mine", "--json"), "sweep-status")
    assert {run["status"] for run in status["runs"]} == {"waiting"}


def test_sweep_that_is_finished(call: Callable[..., Any], trained: Path) -> None:
    run = check(call("sweep", "run", "experiments/mine", "--json"), "sweep-run")
    assert (run["finished"], run["failed"], run["abandoned"]) == (22, {}, {})
    status = check(call("sweep", "status", "experiments/mine", "--json"), "sweep-status")
    assert {run["status"] for run in status["runs"]} == {"finished"}


def test_from_fits_to_report(
    call: Callable[..., Any], fits: Path, sweep: Path, losses: Path, no_pictures: None
) -> None:
    plan = check(call("plan", "fits/mine", *AT, "--json"), "plan")
    assert plan["path"] == "fits/mine/plan.json"
    assert 0.1 <= plan["r"] <= 0.9
    launch = check(
        call("launch", "fits/mine", "--sweep", "experiments/mine", "--dry-run", "--json"), "launch"
    )
    assert launch["launch"]["runs"][0]["r"] == pytest.approx(plan["r"], abs=5e-5)
    rows = pd.read_csv(losses)
    rows[rows["D"] > 0].head(1).to_csv(fits / "launched.csv", index=False)
    compared = check(call("compare", "fits/mine", "--json"), "compare")
    assert [row["side"] for row in compared["rows"]] == ["general"]
    report = check(call("report", "fits/mine", "--json"), "report")
    assert Path(report["path"]).exists()


def test_ingest_and_fit(call: Callable[..., Any], losses: Path) -> None:
    ingested = check(call("ingest", "csv", "losses.csv", "-o", "other.csv", "--json"), "ingest")
    assert ingested["read"] == ingested["kept"] == len(pd.read_csv("other.csv"))
    words = ("--law", "chinchilla", "--bootstrap", "0", "--no-holdouts")
    fitted = check(call("fit", "other.csv", "-o", "fits/other", *words, "--json"), "fit")
    assert [(item["law"], item["eval_set"]) for item in fitted["fits"]] == [
        ("chinchilla", "general"), ("chinchilla", "domain"),
    ]  # fmt: skip
    assert all(isinstance(item["values"]["alpha"], float) for item in fitted["fits"])


def test_numbers_that_are_none_are_null(capsys: pytest.CaptureFixture[str]) -> None:
    """NaN is not JSON."""
    import json

    import numpy as np

    from dcpt.cli import show

    values = {"a": float("nan"), "b": np.float64("inf"), "c": np.array([1.0, np.nan]), "d": np.int64(3)}
    show.document("test", {**values, "e": Path("x"), "f": (1, {"g": np.bool_(True)})})
    document = json.loads(capsys.readouterr().out)
    assert document["a"] is document["b"] is document["c"][1] is None
    assert (document["d"], document["e"], document["f"]) == (3, "x", [1, {"g": True}])
