"""Mistakes: one sentence on stderr, nothing on stdout, the exit code of their class, no traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PLAN = ("plan", "fits/mine", "--at", "N=1M,D=2M", "--keep", "general <= +5%")
FIT = ("fit", "losses.csv", "-o", "fits/new")
D_CPT = (*FIT, "--law", "d-cpt")
INGEST = ("ingest", "csv", "losses.csv", "-o", "new.csv")
LAUNCH = ("launch", "here.json", "--sweep", "experiments/mine", "--dry-run")

USAGE = [
    (("nonsense",), "No such command"),
    (("fit", "--lwa", "d-cpt"), "--law"),
    ((*FIT, "--bootstrap", "many"), "--bootstrap"),
    ((*FIT, "--bootstrap", "-1"), "--bootstrap"),
    ((*PLAN, "--r-min", "little"), "wanted a share such as 0.2 or 20%"),
    (("schema", "swep"), "sweep"),
    (("sweep", "run", "experiments/mine", "--device", "tpu"), "cuda"),
    (("sweep", "run", "experiments/mine", "--slots", "0"), "--slots"),
]

CONFIG = [
    (("laws", "show", "dcpt"), "did you mean 'd-cpt'?"),
    (("laws", "dcpt"), "did you mean 'd-cpt'?"),
    ((*FIT, "--law", "chinchila"), "did you mean 'chinchilla'?"),
    ((*FIT, "--eval-set", "medical"), "it has general, domain"),
    ((*FIT, "--delta", "0"), "above 0"),
    ((*FIT, "--fix", "alpha=0.3"), "speak of one law"),
    ((*FIT, "--scale", "vlaue=2"), "did you mean 'value'?"),
    ((*FIT, "--scale", "r=1%"), "only a share is written in per cent"),
    ((*FIT, "--role", "general"), "wanted name=value"),
    ((*D_CPT, "--fix", "alfa=0.3"), "no parameter 'alfa'"),
    ((*D_CPT, "--fix", "alpha=99"), "0.001 to 3"),
    ((*D_CPT, "--bound", "alpha=2:1"), "LOW below HIGH"),
    ((*D_CPT, "--bound", "alpha=2"), "LOW:HIGH"),
    ((*D_CPT, "--tie", "beta=alpha +"), "not valid"),
    ((*D_CPT, "--tie", "beta=foo"), "'foo' is not a parameter"),
    ((*D_CPT, "--tie", "beta=beta"), "circle"),
    ((*D_CPT, "--tie", "beta=9**9**9"), "wanted one from -1000 to 1000"),
    (("fit",), "no table of losses"),
    ((*D_CPT, "--tie", "beta=__import__('os').getcwd()"), "wanted numbers, names"),
    ((*D_CPT, "--fix", "alpha=0.3", "--tie", "alpha=beta"), "only one of"),
    ((*D_CPT, "--fix", "alpha=0.3", "--fix", "alpha=0.4"), "stands twice"),
    (("fit", "losses.csv", "-o", "losses.csv"), "wanted a folder"),
    (("fit", "losses.csv", "-o", "fit.json"), "wanted a folder"),
    (("plan", "fits/mine"), "--at N=7B,D=20B"),
    (("plan", "fits/mine", "--at", "N=1M", "--keep", "general <= +5%"), "D is not given"),
    (("plan", "fits/mine", "--at", "N=1M,D=2M"), "keep is not given"),
    (("plan", "fits/mine", "--at", "N=1M,Q=2", "--keep", "general <= +5%"), "'Q' is unknown"),
    (("plan", "fits/mine", "--at", "N=1M,D=2X", "--keep", "general <= +5%"), "magnitudes"),
    (("plan", "fits/mine", "--at", "1M", "--keep", "general <= +5%"), "name=value"),
    (("plan", "fits/mine", "--at", "N=1M,D=2M", "--keep", "5%"), "'general <= +2%'"),
    ((*PLAN, "--r-min", "10"), "between 0 and 1"),
    ((*PLAN, "--r-min", "110%"), "between 0 and 1"),
    ((*PLAN, "--epochs", "domain=4"), "--epochs caps passes over pools, and no pool is given"),
    ((*PLAN, "--sweep", "r", "-o", "rows.txt"), "ends in .json, .csv"),
    ((*PLAN, "--r-min", "0.8", "--r-max", "0.2"), "below r_max"),
    ((*PLAN, "--level", "90"), "between 0 and 1"),
    ((*PLAN, "--law", "chinchilla"), "is not there"),
    ((*PLAN, "-o", "experiments"), "ends in .json"),
    ((*PLAN, "--objective", "none.yaml"), "no such file"),
    ((*PLAN, "--objective", "broken.yaml"), "not valid YAML"),
    (("plan", "fits/mine", "--objective", "typo.yaml"), "levl"),
    (("plan", "fits/mine", "--objective", "typo.yaml", "--sweep", "x"), "one of them"),
    ((*LAUNCH, "--ratio", "30"), "outside [0, 1]"),
    (("launch", "here.json", "--sweep", "none", "--dry-run"), "dcpt sweep new"),
    (("report", "fits/mine", "--sweep", "none"), "dcpt sweep new"),
    (("sweep", "check", "none"), "dcpt sweep new"),
    (("sweep", "check", "broken.yaml"), "not valid YAML"),
    (("sweep", "check", "typo.yaml"), "unknown key"),
    (("sweep", "check", "percent.yaml"), "0.3 for 30 %"),
    (("sweep", "status", "experiments/mine", "--watch", "--json"), "one of them"),
    (("ingest", "csv", "losses.csv", "-o", "experiments"), "is a folder"),
    ((*INGEST, "--map", "value"), "wanted name=value"),
    ((*INGEST, "--map", "vlaue=value"), "not a column of the loss table"),
    ((*INGEST, "--columns", "typo.yaml"), "unknown key"),
    ((*INGEST, "--columns", "broken.yaml"), "not valid YAML"),
]

DATA = [
    (("fit", "none.csv", "-o", "fits/new"), "no such file"),
    (("fit", "experiments", "-o", "fits/new"), "experiments: "),
    (("fit", "empty.csv", "-o", "fits/new"), "cannot be read"),
    (("fit", "cut.csv.gz", "-o", "fits/new"), "cannot be read"),
    ((*FIT, "--scale", "r=100"), "--scale r=0.01"),
    ((*FIT, "--role", "general=both"), "wanted general or domain"),
    (("plan", "none", *PLAN[2:]), "none/fit.json: no such file"),
    (("plan", "torn", *PLAN[2:]), "torn/fit.json: is not valid JSON"),
    (("plan", "torn.json", *PLAN[2:]), "torn.json: is not valid JSON"),
    (("plan", "old.json", *PLAN[2:]), "schema_version is 9"),
    (("plan", "list.json", *PLAN[2:]), "a JSON object"),
    (("plan", "odd_fit.json", *PLAN[2:]), "odd_fit.json, fit 1"),
    ((*PLAN, "--losses", "none.csv"), "no such file"),
    (("launch", "none.json", *LAUNCH[2:]), "none.json: no such file; expected a plan"),
    (("launch", "torn.json", *LAUNCH[2:]), "is not valid JSON"),
    (("launch", "odd.json", *LAUNCH[2:]), "field"),
    (("compare", "fits/mine"), "expected a plan"),
    (("compare", "here.json", "losses.csv"), "fit.json: no such file"),
    (("compare", "here.json", "none.csv", "--fits", "fits/mine"), "none.csv: no such file"),
    (("report", "none"), "none/fit.json: no such file"),
    (("report", "torn"), "torn/fit.json: is not valid JSON"),
    (("report", "fits/mine", "--losses", "none.csv"), "no such file"),
    (("ingest", "csv", "none.csv", "-o", "new.csv"), "no such file"),
    (("ingest", "csv", "experiments", "-o", "new.csv"), "experiments: "),
    ((*INGEST, "--map", "value=loss"), "column 'loss', mapped to value, is missing"),
    ((*INGEST, "--role", "medical=domain"), "'medical'"),
    (("ingest", "csv", "losses.csv", "-o", "empty.csv/new.csv"), "could not be written"),
    (("fit", "losses.csv", "-o", "f" * 300), "File name too long"),
]

PLANLESS = [
    (("plan", "fits/mine", "--at", "N=1M,D=2M", "--keep", "general <= 0.1"), "no domain share between"),
    (("fit", "one_size.csv", "-o", "fits/new"), "one model size only"),
]

DEAR = [
    (("sweep", "run", "experiments/mine", "--max-hours", "0"), "pass --yes"),
    ((*LAUNCH, "--max-hours", "1e-9"), "pass --yes"),
]

CASES = [
    (code, name, words, part)
    for code, name, cases in (
        (2, "Error", USAGE),
        (2, "ConfigError", CONFIG),
        (3, "Error", DATA),
        (4, "Error", PLANLESS),
        (6, "BudgetError", DEAR),
    )
    for words, part in cases
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, synthetic: ModuleType) -> Path:
    """Good files and bad ones; no command below may change them."""
    from dcpt.cli.fit_folder import note_table
    from dcpt.core.loss_table import LossTable
    from dcpt.fit.fit_file import SCHEMA_VERSION
    from dcpt.plan.make_plan import make_plan
    from dcpt.plan.objective import Objective

    root = tmp_path_factory.mktemp("mistakes")
    table: LossTable = synthetic.table()
    losses = table.write(root / "losses.csv")
    fits = synthetic.fits()
    fits.save(root / "fits" / "mine")
    note_table(root / "fits" / "mine", losses, table)
    objective = Objective.of({"N": "1M", "D": "2M", "keep": "general <= +5%"})
    make_plan(fits, objective, table).save(root / "here.json")
    frame = table.frame
    frame[frame["N"] == frame["N"].max()].to_csv(root / "one_size.csv", index=False)
    texts = {
        "empty.csv": "",
        "torn.json": "{",
        "torn/fit.json": "{",
        "old.json": '{"schema_version": 9}',
        "list.json": "[]",
        "odd.json": '{"schema_version": 1}',
        "odd_fit.json": json.dumps({"schema_version": SCHEMA_VERSION, "fits": [{}]}),
        "broken.yaml": "a: [1\n",
        "typo.yaml": "N: 1M\nD: 2M\nkeep: general <= +5%\nlevl: 0.9\n",
    }
    for name, text in texts.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    (root / "cut.csv.gz").write_bytes(b"\x1f\x8b\x08\x00\x00")
    return root


@pytest.fixture(scope="module")
def with_sweep(place: Path, write_sweep: Callable[[Path], Path], call: Callable[..., Any]) -> Path:
    """The same, and a sweep whose corpora are built."""
    sweep = write_sweep(place / "experiments" / "mine")
    assert call("sweep", "check", str(sweep)).code == 0
    text = (sweep / "sweep.yaml").read_text()
    (place / "percent.yaml").write_text(text.replace("[0.3, 0.7]", "[30, 70]"))
    return place


@pytest.mark.parametrize(("code", "name", "words", "part"), CASES, ids=lambda value: str(value)[:60])
def test_mistake(
    with_sweep: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: Callable[..., Any],
    code: int,
    name: str,
    words: tuple[str, ...],
    part: str,
) -> None:
    monkeypatch.chdir(with_sweep)
    before = sorted(with_sweep.rglob("*"))
    answer = call(*words)
    assert answer.code == code, answer.err
    assert part in answer.err
    assert name in answer.err
    assert "Traceback" not in answer.err
    if "--dry-run" not in words:
        assert answer.out == ""
    assert sorted(with_sweep.rglob("*")) == before


def test_a_mistake_of_a_process(with_sweep: Path, process: Callable[..., Any]) -> None:
    answer = process("fit", "none.csv", "-o", "new", cwd=with_sweep)
    assert (answer.code, answer.out) == (3, "")
    assert (
        answer.err
        == "DataError: none.csv: no such file; expected a table of losses (CSV, JSON lines or Parquet).\n"
    )


def test_doubt_is_5_under_strict(fits: Path, losses: Path, call: Callable[..., Any]) -> None:
    answer = call(*PLAN, "--strict")
    assert answer.code == 5
    assert "Doubtful" in answer.out
    assert (fits / "plan.json").exists()
    quick = ("--law", "chinchilla", "--bootstrap", "0", "--no-holdouts", "--strict")
    assert call(*FIT, *quick).code == 5


def test_runs_that_fail_are_7(trained: Path, call: Callable[..., Any]) -> None:
    """The bases are those of the finished sweep; every run after them diverges. One ratio says it all."""
    path = trained / "sweep.yaml"
    before, mark, after = path.read_text().partition("cpt:")
    after = after.replace("{peak: 3e-3}", "{peak: 1e30}").replace("[0.3, 0.7]", "[0.7]")
    path.write_text(before + mark + after)
    answer = call("sweep", "run", "experiments/mine", "--slots", "1", "--json")
    assert answer.code == 7
    assert "RunError: 9 of 13 runs did not finish" in answer.err
    assert "diverged" in answer.err
    assert answer.document["finished"] == 4
    assert len(answer.document["failed"]) + len(answer.document["abandoned"]) == 9


@pytest.mark.parametrize(
    ("words", "file"),
    [
        (FIT, "fits/new/fit.json"),
        (PLAN, "fits/mine/plan.json"),
        ((*PLAN, "-o", "other.json"), "other.json"),
        (INGEST, "new.csv"),
        (("sweep", "new", "experiments/new"), "experiments/new/sweep.yaml"),
    ],
)
def test_nothing_is_overwritten_without_force(
    fits: Path, call: Callable[..., Any], words: tuple[str, ...], file: str
) -> None:
    quick = ("--law", "chinchilla", "--bootstrap", "0", "--no-holdouts") if words is FIT else ()
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text("mine")
    refused = call(*words, *quick)
    assert refused.code == 2
    assert f"{file}: is there already" in refused.err
    assert "--force" in refused.err
    assert Path(file).read_text() == "mine"
    assert call(*words, *quick, "--force").code == 0
    assert Path(file).read_text() != "mine"
