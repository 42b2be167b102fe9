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
from dcpt.plan.mixtures import propose
from dcpt.plan.mixtures.make_region import make_region
from dcpt.plan.mixtures.pool import around, make_pool
from dcpt.sweep.aim import make_aim
from dcpt.sweep.collect import collect
from dcpt.sweep.mixture_settings import MixtureDesign
from dcpt.sweep.mixtures import Mixture, placed
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
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """A third of the time; the answers here do not hang on the draws."""
    monkeypatch.setattr(propose, "DRAWS", 32)


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
    from dcpt.fit.mixtures import ProcessPredictor, choose

    return choose(table, seed, [ProcessPredictor()])


def truth(shares: dict[str, float]) -> float:
    return true_losses(shares)["domain"]


def best_of_world(folder: Path) -> float:
    """The lowest domain loss between the bounds, over many mixtures."""
    bounds = prepare(folder).design.region
    assert bounds is not None
    region = make_region(make_aim("domain", [], ROLES, bounds), CORPORA)
    at = np.array([[0.1, 0.0, 0.5, 0.4]])
    pool = np.concatenate([around(region, at, 600, 5), make_pool(region, at, 5)])
    return min(truth(dict(zip(CORPORA, row, strict=True))) for row in pool)


@pytest.mark.parametrize("way", ["thompson", "top"])
def test_rounds_find_the_best_mixture(folder: Path, way: Any) -> None:
    """8 + 4 + 4 mixtures come nearer to the optimum than 16 of the design, ``thompson`` twice as near."""
    settings = RoundSettings((8, 4, 4), way=way, stop=0.0)
    found = run_rounds(prepare(folder), settings, Pretend(), fit)
    assert [len(part.mixtures) for part in found.rounds] == [8, 4, 4]
    assert [part.chosen_by for part in found.rounds] == ["design", way, way]
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
    assert regret < (0.5 if way == "thompson" else 1.0) * (design - least)
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


def test_limits_out_of_reach_are_raised_to_the_nearest(folder: Path) -> None:
    """A mixture is trained for every limit: what was trained already is not thrown away."""
    said: list[str] = []
    settings = RoundSettings((8,), keep=("general <= 1.9",), stop=0.0)
    found = run_rounds(prepare(folder), settings, Pretend(), fit, said.append)
    assert any(line.startswith("limits raised to the nearest that can be kept") for line in said)
    assert "alone the nearest that can be kept is general <=" in found.answer["raised"]
    least = min(true_losses({"prose": a, "notes": 1 - a, "law": 0, "code": 0})["general"] for a in (0.6, 0.7))
    assert found.answer["ceilings"]["general"] == pytest.approx(least, abs=0.05)
    assert found.answer["best"]["keeps_limits"]


def test_aims() -> None:
    aim = make_aim(
        "0.5*law + 0.5*domain",
        ["general <= 3", "general <= +10%", "wiki <= +0.1"],
        ROLES | {"wiki": "general"},
    )
    assert [str(limit) for limit in aim.limits] == ["general <= 3", "general <= +10%", "wiki <= +0.1"]
    with pytest.raises(ConfigError, match=r"minimise: target 'lwa' is unknown.*\n.*did you mean 'law'"):
        make_aim("lwa", [], ROLES)
    with pytest.raises(ConfigError, match=r"keep: target 'nots' is unknown.*\n.*did you mean 'notes'"):
        make_aim("law", ["nots <= +1%"], ROLES)


def test_a_first_round_too_short_to_choose_a_predictor_is_refused_before_it_trains(folder: Path) -> None:
    train = Pretend()
    with pytest.raises(ConfigError, match="the first one has 4 mixtures; wanted at least 6"):
        run_rounds(prepare(folder), RoundSettings((4, 8)), train, fit)
    assert train.calls == 0
    with pytest.raises(ConfigError, match="first of the rounds has 5 mixtures; wanted at least 6"):
        read_sweep_with(folder, {"rounds": [5, 8]})


def test_a_target_that_keeps_an_unknown_corpus_is_refused_with_the_file(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"target.keep: target 'nots' is unknown.*\n.*did you mean 'notes'"):
        read_sweep_with(folder, {}, "nots <= +2%")
    assert read_sweep_with(folder, {}, "notes <= +2%").target is not None


def read_sweep_with(folder: Path, mixtures: dict[str, Any], keep: str | None = None) -> Any:
    from dcpt.sweep.spec import read_sweep

    document = four_document(mixtures)
    if keep is not None:
        size = {**document["model"]["sizes"][0], "name": "big", "layers": 3}
        document["target"] = {"size": size, "tokens": 4000, "keep": keep}
    (folder / "sweep.yaml").write_text(yaml.safe_dump(document))
    return read_sweep(folder / "sweep.yaml")


def test_top_is_for_the_way_top() -> None:
    with pytest.raises(ConfigError, match="it is for the way 'top'"):
        RoundSettings((8,), top=10)
    assert RoundSettings((8, 4), way="top", top=10).top == 10
