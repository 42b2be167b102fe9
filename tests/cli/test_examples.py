"""The help of every command ends with an example, and the example runs."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
import typer.main

from dcpt.cli.main import app

QUICK = {"fit": {"bootstrap": 4, "holdouts": False}}
"""Examples run as they are typed; only there are fewer refits, and none with rows left out."""


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command and group, ``()`` for the program itself."""
    yield words
    for name, part in getattr(command, "commands", {}).items():
        yield from commands(part, (*words, name))


ALL = list(commands(typer.main.get_command(app)))


def example_of(text: str) -> list[str]:
    """Words of the example that a help text ends with."""
    _, mark, after = text.rpartition("Example:\n")
    assert mark, "no example"
    lines = after.strip().splitlines()
    assert len(lines) == 1, "the example is broken over lines"
    words = shlex.split(lines[0])
    assert words[0] == "dcpt"
    return words[1:]


def test_every_command_is_looked_at() -> None:
    assert len(ALL) == 1 + 14 + 6 + 1 + 1 + 1


@pytest.mark.parametrize("words", ALL, ids=lambda words: "-".join(words) or "dcpt")
def test_help_ends_with_an_example_of_the_command(call: Callable[..., Any], words: tuple[str, ...]) -> None:
    answer = call(*words, "--help")
    assert answer.code == 0
    found = example_of(answer.out)
    assert tuple(found[: len(words)]) == words


@pytest.fixture
def example(call: Callable[..., Any]) -> Callable[..., Any]:
    """Runs the example of a command and wants it to end well."""

    def run(*words: str) -> Any:
        answer = call(*example_of(call(*words, "--help").out), defaults=QUICK)
        assert answer.code == 0, answer.err
        assert answer.out.strip()
        return answer

    return run


def test_sweep_new(folder: Path, example: Callable[..., Any]) -> None:
    assert example("sweep", "new").out == "experiments/mine/sweep.yaml\n"
    assert (folder / "experiments" / "mine" / "sweep.yaml").exists()


def test_sweep_check(sweep: Path, example: Callable[..., Any]) -> None:
    assert (
        "mine: 22 runs, 3 sizes x 2 ratios x 2 budgets; 0 finished, 22 to do" in example("sweep", "check").out
    )
    assert not (sweep / "runs").exists()


def test_sweep_run_and_status(trained: Path, example: Callable[..., Any]) -> None:
    (trained / "losses.csv").unlink()
    answer = example("sweep", "run")
    assert (
        answer.out
        == f"experiments/mine/losses.csv: {len(pd.read_csv(trained / 'losses.csv'))} rows of 22 runs\n"
    )
    assert "22 finished, 0 to do" in answer.err
    lines = example("sweep", "status").out.splitlines()
    assert [line.split() for line in lines] == [
        ["size", "finished"], ["a", "7"], ["b", "7"], ["c", "7"], ["t", "1"],
    ]  # fmt: skip
    shown = example("sweep", "mirror").out
    assert shown.startswith("experiments/mine/runs/mirror/tensorboard: ")
    assert len(list((trained / "runs" / "mirror" / "tensorboard").iterdir())) == 22


def test_ingest_csv(folder: Path, losses: Path, example: Callable[..., Any]) -> None:
    kept = pd.read_csv(losses)[["run_id", "N", "D", "r", "eval_set", "value"]]
    kept.assign(pct=100 * kept["r"]).drop(columns="r").to_csv(folder / "runs.csv", index=False)
    losses.unlink()
    assert example("ingest", "csv").out == "losses.csv\n"
    assert pd.read_csv(losses)["r"].to_numpy() == pytest.approx(kept["r"].to_numpy())


def test_from_losses_to_a_page(
    losses: Path, trained: Path, synthetic: ModuleType, example: Callable[..., Any]
) -> None:
    """Fit, plan, launch and report, each on what the one before it wrote."""
    told = example("fit").out
    assert all(f"  {law} " in told for law in ("d-cpt", "chinchilla"))
    assert "r*" in example("plan").out
    answer = example("launch")
    assert answer.out.startswith("launch: t (N = 1M), 2M tokens at r = ")
    assert not list((trained / "runs").glob("t-r*"))
    assert example("report").out == "fits/mine/report.html\n"
    assert Path("fits/mine/report.html").stat().st_size > 10_000


def test_compare(
    fits: Path, call: Callable[..., Any], synthetic: ModuleType, example: Callable[..., Any]
) -> None:
    assert call("plan", "fits/mine", "--at", "N=1M,D=2M", "--keep", "general <= +5%").code == 0
    rows = [
        {"run_id": "full", "N": 1e6, "D": 2e6, "r": 0.5, "eval_set": side,
         "value": float(synthetic.fit_of(side).mean(1e6, 2e6, 0.5)[0])}
        for side in ("general", "domain")
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(fits / "launched.csv", index=False)
    assert "1 launched run" in example("compare").out
    saved = json.loads((fits / "compare.json").read_text())
    assert [row["measured"] - row["predicted"] for row in saved["rows"]] == pytest.approx([0, 0], abs=1e-6)


@pytest.mark.parametrize("words", [("laws",), ("laws", "show"), ("schema",)])
def test_what_needs_no_files(folder: Path, words: tuple[str, ...], example: Callable[..., Any]) -> None:
    example(*words)
    assert list(folder.iterdir()) == []


def test_doctor(folder: Path, call: Callable[..., Any]) -> None:
    """It ends well, or with 3 and the reason: that is for the machine to say."""
    answer = call(*example_of(call("doctor", "--help").out))
    assert answer.code == (0 if "nothing is missing" in answer.out else 3)
    assert "python" in answer.out


def test_demo(
    trained: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_pictures: None,
    example: Callable[..., Any],
) -> None:
    """On a sweep file that is there already, with the shared runs done: fit, plan, launch to report."""
    import functools

    from dcpt.fit import fit

    monkeypatch.setattr(fit, "fit_table", functools.partial(fit.fit_table, **QUICK["fit"]))
    shutil.move(trained, folder / "experiments" / "demo")
    answer = example("demo")
    stages = [line.split()[0] for line in answer.out.splitlines()]
    order = ["corpus", "sweep", "fit", "plan", "launch", "compare", "report"]
    assert list(dict.fromkeys(stages)) == order
    assert stages == sorted(stages, key=order.index)
    assert (stages.count("corpus"), stages.count("compare")) == (2, 2)
    for name in ("fit.json", "plan.json", "launch.json", "launched.csv", "compare.json", "report.html"):
        assert (folder / "fits" / "demo" / name).exists()
