"""What runs are worth to fits of loss curves: trunks, schedules, and information that a refit would have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from dcpt.core.curve import Curve
from dcpt.core.errors import ConfigError, DataError, PlanError
from dcpt.core.schedule import Schedule
from dcpt.fit.loss_curves.curve_fit import CurveFit
from dcpt.fit.loss_curves.curve_rows import read_curve_rows
from dcpt.fit.loss_curves.fit import fit_curves
from dcpt.fit.loss_curves.from_table import curves_of
from dcpt.ingest.reading import Reading
from dcpt.plan.limit import Limit
from dcpt.plan.next_runs.curves.advise import advise_curves
from dcpt.plan.next_runs.curves.answer import _lowest, best_of, share_under, slopes
from dcpt.plan.next_runs.curves.choose import cheapest
from dcpt.plan.next_runs.curves.offered import Shelf, Wanted, default_runs
from dcpt.plan.next_runs.curves.outlook import Outlook
from dcpt.plan.next_runs.curves.run import CurveRun, stretches
from dcpt.plan.next_runs.curves.run_file import read_runs
from dcpt.plan.next_runs.curves.scatter import CurveScatter
from dcpt.plan.next_runs.curves.told import Told, information
from dcpt.plan.next_runs.prices import Prices
from dcpt.plan.next_runs.stopping import StoppingRule
from dcpt.plan.schedule.aim import Aim
from dcpt.plan.schedule.forecast import final_losses
from dcpt.plan.schedule.knobs import sweep_annealing, sweep_replay
from dcpt.plan.schedule.setting import Setting

N = 50_000
WSD = Schedule("wsd", 1e-3, 300, 10, 60)
Fitted = tuple[dict[str, CurveFit], dict[str, list[Curve]], Shelf]


@pytest.fixture(scope="module")
def fitted(world: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """Both sides at the truth's nonlinear parameters, with draws about it; curves of three mixtures."""
    path = tmp_path_factory.mktemp("curves") / "curves.csv"
    world.table((0.3, 0.6, 0.9)).to_csv(path, index=False)
    rows = read_curve_rows(path, Reading())
    fits, curves = {}, {}
    for side in ("general", "domain"):
        law, truth = world.law_of(True), world.truth_of(side, True)
        curves[side] = list(curves_of(rows, f"{side}/dense").curves)
        held = {name: truth[name] for name in law.nonlinear_names}
        fit = fit_curves(law, curves[side], fixed=held)
        theta = np.array([fit.params[name] for name in law.names])
        draws = theta * np.exp(0.01 * np.random.default_rng(0).standard_normal((40, len(theta))))
        fits[side] = replace(fit, draws=draws, fixed={})
    named = rows.frame[rows.frame["schedule"] != ""]
    texts = dict(zip(named["run_id"], named["schedule"], strict=True))
    return fits, curves, Shelf(curves, texts, Prices())


@pytest.fixture(scope="module")
def setting(world: ModuleType) -> Setting:
    return Setting(WSD, world.BASE, r=0.6, N=N)


def _run(shelf: Shelf, schedule: Schedule, r: float = 0.6, seed: int = 0) -> CurveRun:
    return shelf.build(Wanted(N, r, schedule.text, schedule, seed))


def test_what_runs_share_is_trained_once(fitted: Fitted) -> None:
    shelf = fitted[2]
    trunk, short, long = (
        _run(shelf, Schedule("constant", 1e-3, 300, 10)),
        _run(shelf, Schedule("wsd", 1e-3, 100, 10, 20)),
        _run(shelf, WSD),
    )
    # A decay's first step still has the rate before: branches leave one step after their trunk's last.
    assert (trunk.common(long), trunk.common(short), long.common(short)) == (241, 81, 81)
    parts, member = stretches([trunk, short, long])
    per_step = 6 * N * 2048
    assert sum(part.flops for part in parts) == pytest.approx((300 + 19 + 59) * per_step)
    prices = np.array([part.flops for part in parts])
    assert member @ prices == pytest.approx(np.array([300, 100, 300]) * per_step)
    read = np.concatenate([part.steps for part in parts])
    switch = trunk.history.switch
    assert (
        len(read) == len(trunk.steps) + (short.steps > switch + 81).sum() + (long.steps > switch + 241).sum()
    )
    elsewhere = _run(shelf, WSD, r=0.3)
    assert (trunk.common(elsewhere), trunk.common(_run(shelf, WSD, seed=1))) == (0, 0)


def test_a_run_is_known_up_to_an_offset_its_losses_share() -> None:
    rng = np.random.default_rng(3)
    scatter = CurveScatter(0.003, 0.4, 3.0)
    runs = [rng.standard_normal((n, 4)) for n in (5, 12)]
    direct = np.zeros((4, 4))
    for table in runs:
        noise = scatter.own * np.eye(len(table)) + scatter.common
        direct += table.T @ np.linalg.solve(noise, table)
    squares = np.sum([table.T @ table for table in runs], axis=0)
    sums = np.array([table.sum(axis=0) for table in runs])
    found = information(scatter, squares, sums, np.array([5.0, 12.0]))
    assert found == pytest.approx(direct, rel=1e-9)


def test_scatter_is_that_which_residuals_were_made_with(fitted: Fitted) -> None:
    fit, curves = fitted[0]["general"], fitted[1]["general"]
    rng = np.random.default_rng(5)
    made = []
    for number in range(60):
        like = curves[number % len(curves)]
        walk = [rng.standard_normal()]
        while len(walk) < len(like):
            walk.append(0.6 * walk[-1] + 0.8 * rng.standard_normal())
        error = 0.002 * (rng.standard_normal() + np.array(walk))
        loss = fit.mean(like) * np.exp(error)
        made.append(replace(like, name=f"c{number}", group=f"c{number}", loss=loss))
    found = CurveScatter.of(replace(fit, residual_sigma=0.0028), made)
    # An offset and a walk of the same variance, neighbours alike by 0.6: four readings count as one.
    assert found.sigma == pytest.approx(0.0028, rel=0.15)
    assert found.shared == pytest.approx(0.5, abs=0.15)
    assert found.stretch == pytest.approx(4.0, rel=0.35)


def test_bought_runs_tell_what_they_tell_once_they_are_there(
    fitted: Fitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    scatter = CurveScatter(0.002, 0.3, 2.5)
    monkeypatch.setattr(CurveScatter, "of", lambda *_: scatter)
    fits, curves, shelf = fitted
    runs = [
        _run(shelf, Schedule("cosine", 2e-3, 200, 10, floor=0.1), r=0.45),
        _run(shelf, WSD, r=0.3, seed=1),
    ]
    parts, _ = stretches(runs)
    fit, own = fits["general"], curves["general"]
    before = Told.of(fit, own, runs, parts)
    bought = [
        Curve(run.name, run.history, run.steps, fit.mean(run.history, run.steps, run.given["general"]),
              run.given["general"], side="general", eval_set="general/dense")
        for run in runs
    ]  # fmt: skip
    by_run = np.array([before.sums[:1].sum(axis=0), before.sums[1:].sum(axis=0)])
    counts = np.array([before.counts[0], before.counts[1:].sum()])
    there = before.there + information(before.scatter, before.squares.sum(axis=0), by_run, counts)
    after = Told.of(fit, [*own, *bought], (), ())
    assert after.there == pytest.approx(there, rel=1e-8, abs=1e-8 * np.trace(there))


def test_the_answer_and_its_slopes_follow_the_laws(fitted: Fitted, setting: Setting) -> None:
    fits = fitted[0]
    aim = Aim.balance(fits["general"], fits["domain"], 0.8)
    solve = best_of(lambda one: sweep_replay(one, setting), aim)
    solved = solve(fits)
    sweep = sweep_replay(aim, setting, np.round(np.arange(0.01, 0.96, 0.01), 2))
    assert solved.inside
    assert solved.value == pytest.approx(sweep.best, abs=0.02)
    assert solved.regret is not None
    assert solved.regret >= 0
    found = slopes(solve, fits)
    line = sum((fit.draws - np.array(list(fit.params.values()))) @ found[side] for side, fit in fits.items())
    assert np.corrcoef(line, solved.draws)[0, 1] > 0.95
    ceiling = float(final_losses(fits["general"], [replace(setting, r=0.53)]).mean[0])
    kept = share_under(Limit.parse(f"general <= {ceiling:.6f}"), setting)(fits)
    assert kept.value == pytest.approx(0.53, abs=1e-3)
    values = np.array([0.0, 0.5, 1.0, 2.0, 4.0])
    assert _lowest(values, ((values - 1.3) ** 2)[None]) == pytest.approx([1.3], abs=1e-6)
    assert _lowest(values, values[None]) == pytest.approx([0.0])


def test_a_schedule_is_worth_what_it_says_of_the_answer(fitted: Fitted, setting: Setting) -> None:
    fits, curves, shelf = fitted
    aim = Aim.balance(fits["general"], fits["domain"], 0.8)
    solve = best_of(lambda one: sweep_annealing(one, setting), aim)
    runs = [_run(shelf, Schedule("constant", 1e-3, 300, 10), seed=1), _run(shelf, WSD, seed=1)]
    outlook = Outlook.of(fits, curves, slopes(solve, fits), runs)
    now = float(outlook.variance(outlook.none()))
    flat, annealed = now - outlook.variance(np.eye(2, dtype=bool))
    # The same size, mixture, tokens and price: what a decay gains is seen by the run that has one.
    assert outlook.flops(np.eye(2, dtype=bool)) == pytest.approx([runs[0].flops] * 2)
    assert annealed > 1.3 * flat > 0
    assert float(outlook.variance(outlook.everything())) < now - annealed


def test_the_cheapest_design_is_within_its_slack_and_money(fitted: Fitted, setting: Setting) -> None:
    fits, curves, shelf = fitted
    aim = Aim.balance(fits["general"], fits["domain"], 0.8)
    solve = best_of(lambda one: sweep_replay(one, setting), aim)
    runs = default_runs(shelf, {WSD.text: WSD})
    # Three mixtures and two between, five schedules that are none's beginning, the trunk among them.
    assert len(runs) == 5 * 6
    assert {run.kind for run in runs} == {"a repeat with another seed", "another mixture"}
    rule = StoppingRule(least_shrink=0.01, tolerance=1e-9)
    advice = advise_curves(fits, curves, solve, runs, rule, answer="replay share", batch=99)
    outlook = Outlook.of(fits, curves, slopes(solve, fits), runs)
    assert advice.width >= advice.design_width >= advice.everything_width
    assert advice.batch[-1].width == pytest.approx(advice.design_width)
    assert advice.flops == pytest.approx(advice.design_flops)
    assert advice.design_flops < 0.8 * float(outlook.flops(outlook.everything()))
    money = 0.5 * advice.design_flops
    assert float(outlook.flops(cheapest(outlook, 0.01, money))) <= money
    poor = advise_curves(fits, curves, solve, runs, rule, answer="x", max_flops=money)
    assert poor.flops <= money
    assert poor.summary().startswith(("Go on", "Stop"))
    with pytest.raises(PlanError, match="no candidate costs"):
        advise_curves(fits, curves, solve, runs, rule, answer="x", max_flops=1.0)
    few = {side: replace(fit, draws=fit.draws[:5]) for side, fit in fits.items()}
    with pytest.raises(PlanError, match="5 bootstrap draws"):
        advise_curves(few, curves, solve, runs, rule, answer="x")


def test_lists_of_runs_and_their_mistakes(fitted: Fitted, tmp_path: Path) -> None:
    shelf, path = fitted[2], tmp_path / "runs.csv"
    text = '"wsd(peak=2e-3, steps=200, warmup=10, decay=20%)"'
    path.write_text(f"r,schedule,repeats\n0.45,{text},2\n0.6,{text},\n")
    runs = read_runs(path, shelf)
    assert [run.length for run in runs] == [200, 200, 200]
    assert runs[0].life != runs[1].life
    assert runs[0].given["general"]["s"] == pytest.approx(0.55)
    for row, said in (
        (f"N,r,schedule\n70M,0.5,{text}\n", "no fitted curve is of that size"),
        (f"N,r,schedule\n,,{text}\n", "r is empty"),
        (f"N,r,schedule\n,50,{text}\n", "looks like a percentage"),
        ("r,schedule\n0.5,wsd\n", "row 1"),
        ("r,D\n0.5,2M\n", "'D' is unknown"),
        (f"r,schedule\n0.5,{text}\n0.5,{text}\n", "is there twice"),
    ):
        path.write_text(row)
        with pytest.raises(DataError, match=said):
            read_runs(path, shelf)
    with pytest.raises(ConfigError, match="one on 'general'"):
        share_under(Limit.parse("wiki <= 3"), Setting(WSD, r=0.5))
