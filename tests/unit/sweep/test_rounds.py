"""Rounds of mixtures in a world whose best mixture is known; acquisitions, stopping, resuming."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent))

from four_corpora import CORPORA, four_document, pretend_finished, true_losses, write_four

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.mixture_table import MixtureTable
from dcpt.sweep import acquire, finding
from dcpt.sweep.acquire import Outlook, choose_next, expected_gain, make_pool
from dcpt.sweep.aim import Aim
from dcpt.sweep.collect import collect
from dcpt.sweep.mixture_settings import MixtureDesign
from dcpt.sweep.mixtures import Mixture, Region, placed
from dcpt.sweep.prepare import Sweep, prepare
from dcpt.sweep.rounds import RoundSettings, run_rounds
from dcpt.sweep.rounds_file import Round, Rounds, read_rounds

ROLES = {"prose": "general", "notes": "general", "law": "domain", "code": "domain"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_four(tmp_path_factory.mktemp("rounds") / "sweep")
    (folder / "sweep.yaml").write_text(yaml.safe_dump(four_document({"bounds": {"prose": [0.05, 1.0]}})))
    prepare(folder)
    return folder


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "sweep"))


@pytest.fixture(autouse=True)
def small_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds with thousands of mixtures takes none with hundreds."""
    monkeypatch.setattr(acquire, "POOL", 384)
    monkeypatch.setattr(acquire, "_NEAR", (8, 24))
    monkeypatch.setattr(finding, "DRAWS", 32)


class Pretend:
    """Trains by the known world; after `die_at` calls it is killed instead."""

    def __init__(self, die_at: int | None = None, noise: float = 0.001) -> None:
        self.calls, self.die_at, self.noise = 0, die_at, noise

    def __call__(self, sweep: Sweep) -> Any:
        self.calls += 1
        for number, run in enumerate(run for run in sweep.design.runs if run.kind != "trunk"):
            if self.calls == self.die_at and number > 3:
                raise KeyboardInterrupt
            pretend_finished(sweep.root, run, self.noise)
        return SimpleNamespace(table=collect(sweep.root, sweep.design.runs, True))


def fit(table: MixtureTable, seed: int) -> Any:
    from dcpt.fit.mixtures.process import ProcessPredictor

    return ProcessPredictor().fit(table, seed)


def truth(shares: dict[str, float]) -> float:
    return true_losses(shares)["domain"]


def best_of_world(folder: Path) -> float:
    """The lowest domain loss between the bounds, over many mixtures."""
    region = prepare(folder).design.region
    assert region is not None
    at = np.array([[0.1, 0.0, 0.5, 0.4]])
    pool = np.concatenate([at, make_pool(region, at, 5)])
    return min(truth(dict(zip(CORPORA, row, strict=True))) for row in pool)


@pytest.mark.parametrize("acquisition", ["mixed", "climb"])
def test_rounds_find_the_best_mixture(folder: Path, acquisition: Any) -> None:
    """8 + 4 + 4 mixtures come nearer to the optimum than 16 of the design, ``mixed`` twice as near."""
    settings = RoundSettings((8, 4, 4), acquisition=acquisition, stop=0.0)
    found = run_rounds(prepare(folder), settings, Pretend(), fit)
    assert [len(part.mixtures) for part in found.rounds] == [8, 4, 4]
    assert [part.chosen_by for part in found.rounds] == ["design", acquisition, acquisition]
    least = best_of_world(folder)
    plain = prepare(folder).design.mixtures
    assert len({mixture.label for mixture in plain}) == 16  # rounds.json is part of the sweep from here on
    (folder / "rounds.json").unlink()
    region = prepare(folder).design.region
    assert region is not None
    one_by_one = placed(MixtureDesign(), region, 16)
    design = min(truth(dict(mixture.shares)) for mixture in one_by_one)
    regret = truth(found.answer["best"]["shares"]) - least
    assert regret < 0.02
    assert regret < (0.5 if acquisition == "mixed" else 1.0) * (design - least)
    assert found.answer["best"]["shares"]["prose"] >= 0.05
    assert found.answer["best"]["score"] <= found.answer["proportional"]["score"]


def test_the_limit_is_kept(folder: Path) -> None:
    """'general <= +1%' of the base's loss: the best mixture without it breaks it."""
    settings = RoundSettings((8, 6), keep=("general <= +1%",), stop=0.0)
    found = run_rounds(prepare(folder), settings, Pretend(), fit)
    base = prepare(folder).design.runs[0]
    ceiling = 1.01 * true_losses(dict(base.mixture.phases[0].shares), 0.001)["general"]
    assert found.answer["ceilings"] == pytest.approx({"general": ceiling})
    assert true_losses(found.answer["best"]["shares"])["general"] < ceiling + 0.01
    assert true_losses({"prose": 0.1, "notes": 0.0, "law": 0.5, "code": 0.4})["general"] > ceiling + 0.05


def test_killed_in_the_second_round_and_run_again(folder: Path, tmp_path: Path) -> None:
    whole = Path(shutil.copytree(folder, tmp_path / "whole"))
    settings = RoundSettings((8, 2), stop=0.0)
    asked = run_rounds(prepare(whole), settings, Pretend(), fit)
    with pytest.raises(KeyboardInterrupt):
        run_rounds(prepare(folder), settings, Pretend(die_at=2), fit)
    begun = read_rounds(folder, CORPORA)
    assert begun is not None
    assert (len(begun.rounds), begun.ended) == (2, "")
    again = run_rounds(prepare(folder), settings, Pretend(), fit)
    assert (folder / "rounds.json").read_text() == (whole / "rounds.json").read_text()
    assert again.answer == asked.answer
    # More rounds go on from there; other sizes of those that are done are refused.
    more = run_rounds(prepare(folder), RoundSettings((8, 2, 1), stop=0.0), Pretend(), fit)
    assert [part.mixtures for part in more.rounds[:2]] == [part.mixtures for part in again.rounds]
    with pytest.raises(ConfigError, match=r"\(8, 4\) are asked for and rounds of \[8, 2, 1\] are there"):
        run_rounds(prepare(folder), RoundSettings((8, 4)), Pretend(), fit)


def test_they_end_when_nothing_is_to_be_gained(folder: Path) -> None:
    settings = RoundSettings((8, 4, 2), stop=0.5)
    train = Pretend()
    found = run_rounds(prepare(folder), settings, train, fit)
    assert train.calls == len(found.rounds) == 2
    assert "less than 50 %" in found.ended
    assert 0 <= found.answer["relative_gain"] < 0.5


def test_the_rounds_file(tmp_path: Path) -> None:
    one = Mixture.of({"a": 0.4, "b": 0.6}, 1)
    two = Mixture.of({"a": 0.5, "b": 0.5})
    made = Rounds({"counts": [2]}, (Round((one, two), "design"), Round((one,), "mixed", {"runs": 3})))
    made.write(tmp_path)
    assert read_rounds(tmp_path, ["a", "b"]) == made
    assert [(item.label, item.more_seeds) for item in made.mixtures] == [(one.label, 3), (two.label, 0)]
    with pytest.raises(ConfigError, match="its mixtures are of a, b; the sweep has a, c"):
        read_rounds(tmp_path, ["a", "c"])
    document = json.loads((tmp_path / "rounds.json").read_text())
    for broken in ({**document, "schema_version": 2}, {**document, "rounds": [{"mixtures": 3}]}):
        (tmp_path / "rounds.json").write_text(json.dumps(broken))
        with pytest.raises(DataError):
            read_rounds(tmp_path, ["a", "b"])


def test_aims() -> None:
    aim = Aim.parse(
        "0.5*law + 0.5*domain",
        ["general <= 3", "general <= +10%", "wiki <= +0.1"],
        {**ROLES, "wiki": "general"},
    )
    assert aim.weights == {"law": 0.5, "domain": 0.5}
    assert aim.ceilings({"general": 2.5, "wiki": 2.0}) == pytest.approx({"general": 2.75, "wiki": 2.1})
    losses = np.array([[1.0, 2.0, 2.85]])
    assert aim.score(losses, ["law", "domain", "general"], {"general": 2.75}) == pytest.approx([1.5 + 10])
    # A side with one corpus is that corpus.
    assert Aim.parse("domain", [], {"wiki": "general", "law": "domain"}).weights == {"law": 1.0}
    with pytest.raises(ConfigError, match=r"'lwa' is no corpus and no side.*\n.*did you mean 'law'"):
        Aim.parse("lwa", [], ROLES)


def outlook(draws: int = 64) -> tuple[Outlook, Region]:
    corpora: Any = dict.fromkeys("abc")
    region = Region(corpora, dict.fromkeys(corpora, 0.0), dict.fromkeys(corpora, 1.0), {})
    pool = make_pool(region, np.array([[0.2, 0.3, 0.5]]), 0)
    rng = np.random.default_rng(0)
    mean = ((pool - np.array([0.2, 0.3, 0.5])) ** 2).sum(axis=1)
    # Nothing is known where a is much, though it may be good there.
    doubt = np.where(pool[:, 0] > 0.25, 0.2, 0.001)
    return Outlook(pool, mean, mean + doubt * rng.standard_normal((draws, 1))), region


def test_a_round_takes_the_best_and_looks_where_it_knows_least() -> None:
    found, _ = outlook()
    seen = np.array([[1.0, 0.0, 0.0]])
    chosen = choose_next(found, seen, 8, "mixed", None, 0)
    assert len(chosen) == 8
    assert chosen[0] == pytest.approx([0.2, 0.3, 0.5], abs=0.05)
    assert (chosen[:, 0] > 0.25).sum() >= 3
    roots = np.sqrt(np.concatenate([chosen, seen]))
    apart = 0.5 * ((roots[:, None] - roots) ** 2).sum(-1)
    assert (apart[~np.eye(9, dtype=bool)] > 1e-4).all()


def test_climb_draws_among_the_best() -> None:
    found, _ = outlook()
    best = np.sort(found.mean)
    chosen = choose_next(found, np.empty((0, 3)), 5, "climb", 10, 3)
    scores = ((chosen - np.array([0.2, 0.3, 0.5])) ** 2).sum(axis=1)
    assert len(np.unique(chosen, axis=0)) == 5
    assert scores.max() < best[100]
    assert not np.array_equal(chosen, choose_next(found, np.empty((0, 3)), 5, "climb", 10, 4))
    with pytest.raises(ConfigError, match="top is for"):
        RoundSettings((8,), top=10)


def test_the_expected_gain_is_the_regret_of_stopping() -> None:
    found, _ = outlook()
    at_least = found.draws.min(axis=1)
    assert expected_gain(found, at_least) == 0.0
    assert expected_gain(found, at_least + 0.25) == pytest.approx(0.25)
