"""The benchmark commands: they run on any file of their layout and print one JSON document last."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dcpt.core.errors import DataError

ROOT = Path(__file__).resolve().parents[3]


def run(capsys, monkeypatch, module, *options):
    """Words and the last line of a benchmark that runs in this process."""
    monkeypatch.syspath_prepend(str(ROOT))
    importlib.import_module(f"benchmarks.{module}").main([*map(str, options)])
    words, _, line = capsys.readouterr().out.rstrip().rpartition("\n")
    return words, json.loads(line)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("points")
    rng = np.random.default_rng(0)
    N, D = (column.ravel() for column in np.meshgrid(np.geomspace(1e8, 1e10, 6), np.geomspace(1e9, 1e11, 6)))
    loss = 1.8 + 480 * N**-0.35 + 2100 * D**-0.37
    pd.DataFrame({"N": N, "D": D, "loss": loss}).to_csv(folder / "exact.csv", index=False)
    grid = np.meshgrid(
        [7e7, 4e8, 1.4e9], [0.1, 0.3, 0.5, 0.7, 0.9], np.geomspace(1e9, 2e10, 5), indexing="ij"
    )
    N, r, D = (column.ravel() for column in grid)
    loss = 0.85 + 260 * N**-0.3 + 55 * r**0.4 * D**-0.25 + 0.22 * (r + 0.1) ** -0.35
    table = pd.DataFrame({"N": N, "D": D, "r": r, "run": np.repeat(np.arange(15), 5)})
    table["loss"] = loss * np.exp(0.002 * rng.standard_normal(len(N)))
    table.to_csv(folder / "sweep.csv", index=False)
    return folder


def test_chinchilla_gives_raw_parameters_and_a_side_by_side_ratio(files, capsys, monkeypatch):
    options = ("--starts", 12, "--random-starts", 3, "--repeats", 3, "--json")
    words, document = run(capsys, monkeypatch, "fit_chinchilla", "--data", files / "exact.csv", *options)
    assert words == ""
    wanted = {"E": 1.8, "A": 480, "B": 2100, "alpha": 0.35, "beta": 0.37}
    assert document["params"] == pytest.approx(wanted, rel=1e-4)
    assert document["objective"] < 1e-20
    assert document["published_grid"]["sampled"] is True
    assert document["published_grid"]["starts_run"] == 12
    ratio = document["published_grid"]["cpu_seconds_for_all"] / document["warm_cpu_seconds"]
    assert document["speedup_vs_published_grid"] == pytest.approx(ratio)
    assert document["warm_seconds"] > 0


def test_dcpt_and_its_refits_run_on_a_file(files, capsys, monkeypatch):
    data = ("--data", files / "sweep.csv", "--quick", "--repeats", 2)
    words, document = run(capsys, monkeypatch, "fit_dcpt", *data)
    assert words.startswith("75 points: ")
    assert document["agree"] == document["starts"]
    assert document["random_bounded_trf"]["excess_of_our_objective"] <= 1e-9
    _, refits = run(capsys, monkeypatch, "refits", *data, "--draws", 60, "--control", 4)
    assert refits["runs"] == 15
    assert refits["converged"] >= 0.98
    assert refits["largest_excess_over_trf"] <= 1e-6


@pytest.mark.parametrize(
    ("module", "name", "message"),
    [
        ("fit_chinchilla", "bad.csv", "row 3: N = -1.0; wanted a number > 0"),
        ("fit_dcpt", "exact.csv", "column 'r' is missing"),
        ("refits", "absent.csv", "no such file"),
    ],
)
def test_a_bad_file_is_named(files, capsys, monkeypatch, module, name, message):
    pd.DataFrame({"N": [1e8, -1], "D": [1e9, 1e9], "loss": [3.0, 2.9]}).to_csv(files / "bad.csv", index=False)
    with pytest.raises(DataError, match=message):
        run(capsys, monkeypatch, module, "--data", files / name, "--quick")


def test_as_a_program_a_bad_file_is_one_line_and_status_3(files):
    command = [sys.executable, "-m", "benchmarks.refits", "--data", str(files / "absent.csv")]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env=dict(os.environ), timeout=120
    )
    assert done.returncode == 3
    assert done.stderr.startswith("DataError: ")
    assert done.stderr.count("\n") == 1


def test_the_results_that_are_committed_are_whole():
    page = (ROOT / "benchmarks" / "RESULTS.md").read_text()
    results = json.loads((ROOT / "benchmarks" / "results.json").read_text())
    fits = [item for item in results.values() if item["benchmark"].startswith("fit_")]
    assert len(fits) == 4
    for item in fits:
        assert item["random_bounded_trf"]["excess_of_our_objective"] <= 1e-9
        assert item["agree"] == item["starts"]
        assert f"{1e3 * item['warm_seconds']:.1f} ms" in page
    for item in results.values():
        if item["benchmark"] == "refits":
            assert item["converged"] >= 0.99
            assert f"{item['seconds']:.2f} s" in page
    assert results["chinchilla"]["published_grid"]["starts_run"] == 4500
    shares = list(results["coverage"]["predictions"].values())
    assert 0.92 <= np.mean(shares) <= 0.98
    slack = 2 * results["coverage"]["standard_error_of_a_share"]
    assert 0.92 - slack <= min(shares)
    assert max(shares) <= 0.98 + slack


def test_the_page_names_the_commands_and_says_when_it_is_a_sample(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    page = importlib.import_module("benchmarks.page").page
    results = json.loads((ROOT / "benchmarks" / "results.json").read_text())
    assert page(results, quick=False) == (ROOT / "benchmarks" / "RESULTS.md").read_text()
    assert "samples the slow comparisons" in page(results, quick=True)
