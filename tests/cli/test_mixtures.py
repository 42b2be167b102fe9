"""dcpt fit and dcpt plan on a table of mixtures of many corpora."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dcpt.fit.mixtures import load_mixtures
from dcpt.plan.mixtures.mixture_plan_file import read_mixture_plan

CORPORA = ("wiki", "code", "law")


def frame(runs: int = 24, seed: int = 0, factor: float = 1.0) -> pd.DataFrame:
    """Losses that fall with a corpus's own share, as a table with a row per run."""
    shares = np.random.default_rng(seed).dirichlet(np.ones(3), runs)
    columns: dict[str, Any] = {"index": [f"s{seed}r{number}" for number in range(runs)]}
    columns |= {f"share:{name}": shares[:, at] for at, name in enumerate(CORPORA)}
    columns |= {f"loss:{name}": factor * (2 + 0.1 / (shares[:, at] + 0.1)) for at, name in enumerate(CORPORA)}
    return pd.DataFrame(columns)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    frame().to_csv("mixtures.csv", index=False)


def test_fit_plan_and_propose(call: Callable[..., Any]) -> None:
    """From a table to a mixture that keeps a limit and a rule, and to the runs to train next."""
    fitted = call("fit", "mixtures.csv", "-o", "fits/many", "--json")
    assert fitted.code == 0, fitted.err
    assert fitted.document["corpora"] == list(CORPORA)
    assert load_mixtures("fits/many/mixture.json").corpora == CORPORA
    asked = ("--minimise", "wiki", "--keep", "code <= +0.05", "--shares", "law >= 20%", "--at", "D=1B")
    answer = call(
        "plan", "fits/many", *asked, "--against", "uniform", "--pool", "wiki=0.1B", "--epochs", "wiki=8"
    )
    assert answer.code == 0, answer.err
    assert "law >= 0.2" in answer.out
    plan = read_mixture_plan("fits/many/mixture-plan.json")
    assert plan.mixture["law"] >= 0.2 - 1e-6
    ceiling = plan.losses[1].ceiling
    assert ceiling is not None
    assert plan.losses[1].mean <= ceiling + 1e-5
    written = call("plan", "fits/many", *asked, "--json", "--force", "-o", "other.json").document
    assert written["kind"] == "mixture-plan"
    assert sum(written["mixture"].values()) == pytest.approx(1, abs=1e-6)
    assert json.loads(Path("other.json").read_text())["schema_version"] == 1
    found = call("plan", "fits/many", "--minimise", "wiki", "--propose", "4", "--json").document
    assert len(found["mixtures"]) == 4


def test_larger_runs_in_the_table_set_the_level(call: Callable[..., Any]) -> None:
    """Cheap runs carry the ranking, six larger ones the level; the answer is for the larger size."""
    small, large = frame(24).assign(N=1e6), frame(6, seed=1, factor=0.8).assign(N=1e8)
    pd.concat([small, large]).to_csv("two.csv", index=False)
    answer = call("fit", "two.csv", "-o", "fits/two", "--json")
    assert answer.code == 0, answer.err
    assert answer.document["larger_runs"] == 6
    predicted = load_mixtures("fits/two/mixture.json").mean({"wiki": 0.4, "code": 0.3, "law": 0.3})[0]
    np.testing.assert_allclose(predicted, 0.8 * (2 + 0.1 / (np.array([0.4, 0.3, 0.3]) + 0.1)), rtol=0.01)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--minimise", "wikki"), 2, "did you mean 'wiki'"),
        (("--shares", "wiki >= 0.7", "--shares", "law >= 0.4"), 2, "least shares sum to 1.1"),
        (("--keep", "code <= 1.0"), 4, "nearest that can be kept is code <="),
        (("--pool", "wiki=0", "--at", "D=1B"), 2, "wanted a positive number"),
        (("--at", "N=7B"), 2, "means nothing for a mixture of many corpora"),
        (("--sweep", "r"), 2, "means nothing for a mixture of many corpora"),
        (("--propose", "3", "-o", "x.json"), 2, "writes no plan"),
    ],
)
def test_bad_questions(call: Callable[..., Any], words: tuple[str, ...], code: int, said: str) -> None:
    assert call("fit", "mixtures.csv", "-o", "fits/many").code == 0
    answer = call("plan", "fits/many", *words)
    assert answer.code == code
    assert said in answer.err
    assert not Path("fits/many/mixture-plan.json").exists()


def test_next_runs_of_mixtures_are_asked_of_plan(call: Callable[..., Any]) -> None:
    assert call("fit", "mixtures.csv", "-o", "fits/many").code == 0
    answer = call("next", "fits/many", "--at", "N=1M,D=1M")
    assert (answer.code, "dcpt plan FITS --propose" in answer.err) == (2, True)


def test_flags_of_mixtures_mean_nothing_elsewhere(call: Callable[..., Any]) -> None:
    answer = call("plan", "fits/none", "--shares", "wiki >= 0.1")
    assert answer.code == 2
    assert "many corpora" in answer.err
    answer = call("fit", "mixtures.csv", "--law", "d-cpt")
    assert answer.code == 2
    assert "--law means nothing for a table of mixtures" in answer.err


def test_losses_of_a_mixture_are_predicted(call: Callable[..., Any]) -> None:
    """The curve that made the losses comes back, inside its intervals; shares may be in per cent."""
    assert call("fit", "mixtures.csv", "-o", "fits/many").code == 0
    asked = ("predict", "fits/many", "--at", "wiki=50%,code=0.2,law=0.3")
    document = call(*asked, "--at", "law=1", "--json").document
    assert (document["kind"], len(document["predictions"])) == ("mixture-predict", 6)
    shares = dict(zip(CORPORA, (0.5, 0.2, 0.3), strict=True))
    for row in document["predictions"][:3]:
        assert row["mixture"] == pytest.approx(shares)
        assert row["mean"] == pytest.approx(2 + 0.1 / (shares[row["target"]] + 0.1), rel=0.01)
        assert row["obs_lo"] <= row["mean_lo"] <= row["mean"] <= row["mean_hi"] <= row["obs_hi"]
    assert [row["extrapolates"] for row in document["predictions"]] == [False] * 3 + [True] * 3
    answer = call(*asked, "--eval-set", "code")
    assert answer.out.splitlines()[0].split()[:2] == ["target", "mean"]
    assert [line.split()[0] for line in answer.out.splitlines()[1:2]] == ["code"]
    assert "24 runs" in answer.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "the corpora are wiki, code, law"),
        (("--at", "wiki=0.5"), "the shares sum to 0.5; wanted 1"),
        (("--at", "wikki=1"), "did you mean 'wiki'"),
        (("--at", "wiki=50,code=50"), "write 0.4 or 40%"),
        (("--at", "N=7B,D=20B,r=0.3"), "it reads shares and no N"),
        (("--at", "wiki=1", "--law", "d-cpt"), "--law means nothing for a mixture"),
    ],
)
def test_bad_mixtures_to_predict(call: Callable[..., Any], words: tuple[str, ...], said: str) -> None:
    assert call("fit", "mixtures.csv", "-o", "fits/many").code == 0
    answer = call("predict", "fits/many", *words)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
