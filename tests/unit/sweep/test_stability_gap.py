"""The stability gap: found where a curve rises and falls again beyond its noise, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dcpt.core.loss_table import LossTable
from dcpt.report.stability_card import stability_card
from dcpt.sweep.stability_gap import find_gap, gap_lines, stability_gaps

STEPS = np.arange(10, 410, 10)
EXPERIMENT = Path(__file__).resolve().parents[3] / "experiments" / "cpt_dynamics_cpu" / "losses.csv.gz"


def v_shape(depth: float, gain: float = 0.3, worst: float = 60.0) -> np.ndarray:
    """A bump that is highest at `worst`, on a slow fall by `gain` over the curve."""
    bump = depth * (STEPS / worst) * np.exp(1 - STEPS / worst)
    return 3.0 + bump - gain * STEPS / STEPS[-1]


def table_of(losses: np.ndarray, eta: np.ndarray | None = None) -> LossTable:
    common = {"N": 1e6, "r": 0.3, "seed": 0, "eval_set": "general"}
    rows = [{**common, "run_id": "base", "step": 0, "D": 0, "phase": "base", "value": 3.0, "r": 0.0}]
    rates = np.ones(len(losses)) if eta is None else eta
    for step, loss, rate in zip(STEPS, losses, rates, strict=True):
        row = {**common, "run_id": "trunk", "step": step, "D": 64 * step, "phase": "trunk"}
        rows.append({**row, "value": loss, "eta": rate})
    return LossTable.from_frame(pd.DataFrame(rows))


def test_depth_worst_step_and_recovery() -> None:
    noise = 0.004 * np.random.default_rng(0).standard_normal(len(STEPS))
    losses = v_shape(0.2) + noise
    gaps = stability_gaps(table_of(losses))
    assert len(gaps) == 1
    gap = gaps.iloc[0]
    assert gap["depth"] == pytest.approx(losses.max() - 3.0)
    assert gap["worst_step"] == STEPS[losses.argmax()]
    assert abs(gap["worst_step"] - 50) <= 20
    assert 0.002 < gap["noise"] < 0.008
    first = next(s for s, loss in zip(STEPS, losses, strict=True) if s > 60 and loss <= 3.0 + 0.02)
    assert abs(gap["recovered_step"] - first) <= 20
    assert gap["recovered_D"] == 64 * gap["recovered_step"]
    (line,) = gap_lines(table_of(losses))
    assert f"by up to {gap['depth']:.3f} above the base's loss at step {gap['worst_step']:g} (trunk)" in line


def test_the_report_has_a_card_for_them() -> None:
    (card,) = stability_card(table_of(v_shape(0.2)))
    assert "Stability gap on general" in card.finding
    assert card.parts[0].table is not None
    assert [cell.text for cell in card.parts[0].table.rows[0]][:4] == ["general", "1M", "0.3", "3.0000"]
    assert stability_card(table_of(v_shape(-0.2))) == []


def test_a_curve_that_comes_only_part_of_the_way_back() -> None:
    gap = find_gap(v_shape(0.2, gain=-0.1), 3.0)
    assert gap is not None
    assert gap.recovered is None


@pytest.mark.parametrize(
    "losses",
    [
        3.0 + 0.001 * np.sqrt(STEPS),  # forgotten for good
        v_shape(-0.2),  # learnt from the first step
        v_shape(0.3, gain=0.0, worst=300.0),  # worst late
        3.0 + 0.02 * np.random.default_rng(1).standard_normal(len(STEPS)),  # noise
        v_shape(0.2)[:5],  # too few to tell
    ],
)
def test_what_is_none(losses: np.ndarray) -> None:
    assert find_gap(losses, 3.0) is None


def errors(correlation: float, count: int, random: np.random.Generator) -> np.ndarray:
    """Normal errors of a hundredth, each of which keeps a share of the one before."""
    fresh = random.standard_normal(count)
    kept = [fresh[0]]
    for value in fresh[1:]:
        kept.append(correlation * kept[-1] + np.sqrt(1 - correlation**2) * value)
    return 0.01 * np.array(kept)


@pytest.mark.parametrize("fall", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("count", [8, 20, 40, 100])
@pytest.mark.parametrize(("correlation", "most"), [(0.0, 0.02), (0.5, 0.03), (0.8, 0.06), (0.95, 0.08)])
def test_noise_alone_is_seldom_taken_for_a_gap(
    fall: float, count: int, correlation: float, most: float
) -> None:
    """Level or falling, short or long, with errors that are independent or wander: of 300 curves each."""
    random, course = np.random.default_rng(3), -fall * np.arange(1, count + 1) / count
    found = 0
    for _ in range(300):
        noise = errors(correlation, count + 1, random)
        found += find_gap(3.0 + course + noise[1:], 3.0 + noise[0]) is not None
    assert found <= most * 300


@pytest.mark.parametrize(("count", "deep"), [(40, 10), (12, 20)])
@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_a_gap_is_found_through_the_noise(count: int, deep: float, correlation: float) -> None:
    """So many standard deviations deep, worst after 15 % of the curve: seen nineteen times in twenty."""
    random, place = np.random.default_rng(4), np.arange(1, count + 1) / count
    course = 0.01 * deep * (place / 0.15) * np.exp(1 - place / 0.15) - 0.1 * place
    depths = []
    for _ in range(200):
        noise = errors(correlation, count + 1, random)
        gap = find_gap(3.0 + course + noise[1:], 3.0 + noise[0])
        if gap is not None:
            depths.append(gap.depth)
    assert len(depths) >= 190
    # the highest of several noisy values, less a noisy one
    assert -0.005 < np.mean(depths) - course.max() < 0.03


def test_what_annealing_brings_back_is_no_recovery() -> None:
    """The rate falls from step 100 on, and only then the loss."""
    losses = 3.0 + np.where(STEPS <= 100, 0.002 * STEPS, 0.2 - 0.001 * (STEPS - 100))
    eta = np.where(STEPS <= 100, 1.0, 0.3)
    assert len(stability_gaps(table_of(losses))) == 1
    assert stability_gaps(table_of(losses, eta)).empty


def test_real_curves() -> None:
    """With nine tenths of replay every measured curve is back; at higher domain shares none is."""
    table = LossTable.read(EXPERIMENT)
    gaps = stability_gaps(LossTable(table.frame[table.frame["eval_set"].isin(("general", "general/dense"))]))
    little = gaps[gaps["r"] == 0.1]
    # all nine but one, whose rise of 0.010 nats is five standard deviations of its noise
    assert len(little) == 8
    assert little["recovered_step"].notna().all()
    assert gaps.loc[gaps["r"] >= 0.5, "recovered_step"].isna().all()
    assert gaps.groupby("r")["depth"].median().is_monotonic_increasing
    assert set(gaps["eval_set"]) == {"general"}
