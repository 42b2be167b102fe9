"""What every kind of plan promises: steady in what is asked, exact in units, deaf to what does not matter."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcpt.core.errors import PlanError
from dcpt.core.loss_table import LossTable
from dcpt.core.schedule import Schedule
from dcpt.fit.bases import SAME_SIZE
from dcpt.fit.fit_file import FitSet
from dcpt.laws.curves import get_curve_law
from dcpt.plan.make_plan import make_plan
from dcpt.plan.objective import Objective
from dcpt.plan.plan import Plan
from dcpt.plan.schedule.aim import Aim
from dcpt.plan.schedule.knobs import sweep_annealing, sweep_replay
from dcpt.plan.schedule.optimise import best_schedule
from dcpt.plan.schedule.setting import Setting

QUESTIONS: tuple[dict[str, Any], ...] = (
    {"N": 0.5e6, "D": 1e6},
    {"N": 0.5e6, "D": 1e6, "minimise": "0.7*domain + 0.3*general"},
    {"N": 0.5e6, "D": 1e6, "pools": {"domain": 0.1e6}},
    {"N": 0.5e6, "pools": {"domain": 0.2e6, "general": 0.5e6}, "epochs": {"domain": 2, "general": 1}},
    {"N": 0.5e6, "budget": {"flops": 2e12}},
    {"sizes": ["0.1M", "0.3M", "0.5M"], "budget": {"flops": 2e12}},
    {"N_min": 0.1e6, "N_max": 0.6e6, "budget": {"flops": 2e12}},
)


@pytest.fixture(scope="module")
def fits(synthetic: ModuleType) -> FitSet:
    made: FitSet = synthetic.fits(draws=12)
    return made


def ask(fits: FitSet, asked: dict[str, Any], table: LossTable | None = None, **more: Any) -> Plan:
    return make_plan(fits, Objective.of({**asked, **more}), table)


# -- two sides: ratio, pool, budget, sizes ---------------------------------------------------------------


@pytest.mark.parametrize("asked", [QUESTIONS[0], QUESTIONS[2], QUESTIONS[4]])
def test_the_ratio_moves_steadily_with_the_size_across_a_measured_base(synthetic, fits, asked) -> None:
    """A tolerance on a base that is 1 % better than the others say: no step where it begins to count."""
    frame = synthetic.table(noise=0.0).frame
    frame.loc[(frame["D"] == 0) & np.isclose(frame["N"], 0.22e6), "value"] *= 0.99
    table = LossTable.from_frame(frame)
    edges = [0.22e6 * np.exp(sign * SAME_SIZE) for sign in (-1, 1)]
    for edge in edges:
        near = [
            ask(fits, {**asked, "N": edge * factor}, table, keep="general <= -11%")
            for factor in (1 - 1e-4, 1 + 1e-4)
        ]
        assert {plan.bases["general"].source for plan in near} == {"measured", "estimated"}
        assert {plan.binding for plan in near} == {"ceiling"}
        assert abs(near[1].r - near[0].r) < 1e-3
        assert abs(near[1].r_lo - near[0].r_lo) < 5e-3


@pytest.mark.parametrize("asked", QUESTIONS)
def test_a_plan_does_not_depend_on_the_unit_of_the_losses(synthetic, fits, asked) -> None:
    """Nats per token into bits per byte: one factor, 0.4 here, for every loss, base and ceiling."""
    bits = synthetic.fits(draws=12, scale=0.4, metric="bpb")
    frame = synthetic.table().frame
    tables = (
        LossTable.from_frame(frame),
        LossTable.from_frame(frame.assign(metric="bpb", unit="bits_per_byte", value=0.4 * frame["value"])),
    )
    for keep in ("general <= -7.5%", "general <= 3.45"):
        ceiling = keep if keep.endswith("%") else "general <= 1.38"
        plain = ask(fits, asked, tables[0], keep=keep)
        other = ask(bits, asked, tables[1], keep=ceiling)
        assert (other.unit, other.binding, other.bound) == ("bits_per_byte", plain.binding, plain.bound)
        assert pytest.approx((plain.N, plain.D), rel=1e-3) == (other.N, other.D)
        assert (other.r, other.r_lo, other.r_hi) == pytest.approx((plain.r, plain.r_lo, plain.r_hi), abs=1e-3)
        assert other.domain.mean == pytest.approx(0.4 * plain.domain.mean, rel=1e-5)


@given(ceilings=st.lists(st.floats(3.3, 3.6), min_size=2, max_size=3, unique=True))
@settings(max_examples=3)
@pytest.mark.parametrize("asked", [QUESTIONS[1], QUESTIONS[6]])
def test_a_tighter_limit_never_lowers_what_is_minimised(fits, asked, ceilings) -> None:
    """Of a balance its value, of open sizes over every size."""
    best = []
    for ceiling in sorted(ceilings, reverse=True):
        try:
            plan = ask(fits, asked, keep=f"general <= {ceiling:.6f}")
        except PlanError:
            best.append(float("inf"))
            continue
        weights = plan.objective.minimise
        best.append(sum(weight * plan.losses[label].mean for label, weight in weights.items()))
        assert plan.general.mean <= ceiling * (1 + 1e-6)
    assert all(tight >= loose - 1e-6 for loose, tight in pairwise(best))


# -- schedules -------------------------------------------------------------------------------------------

PRE = Schedule("wsd", 1e-3, 2000, 100, 400, "linear")
CPT = Schedule("wsd", 1e-3, 1000, 20, 200, "linear")
RUN = Setting(CPT, PRE, r=0.5)


@dataclasses.dataclass(frozen=True)
class Curves:
    """What a decision about schedules reads of a fit."""

    law: Any
    params: dict[str, float]
    draws: Any
    side: str
    ranges: dict[str, tuple[float, float]]
    unseen: float = 0.0


def curves(side: str) -> Curves:
    """Near the published coefficients of Wang et al. 2025 (arXiv:2505.07796, Fig. 3)."""
    law = get_curve_law("cpt-dynamics+replay+intrinsic-power")
    values = {"L0": 3.05, "A": 0.45, "alpha": 0.5, "C1": 120.0, "C2": 130.0, "c": 3000.0, "b": 0.6}
    values |= {"K": 0.08, "E": 28.0, "beta": 0.18, "k": 0.4, "eps": 0.05}
    values |= {} if side == "general" else {"K": 0.1, "E": 5000.0, "k": 1.0, "eps": 0.5}
    theta = np.array([values[name] for name in law.names])
    draws = theta * np.exp(0.01 * np.random.default_rng(0).standard_normal((8, len(theta))))
    return Curves(law, dict(zip(law.names, theta, strict=True)), draws, side, {})


def test_a_side_without_weight_does_not_move_a_schedule() -> None:
    alone, beside = Aim.of(curves("domain")), Aim.balance(curves("general"), curves("domain"), 0.0)
    for sweep in (sweep_annealing, sweep_replay):
        first, second = sweep(alone, RUN), sweep(beside, RUN)
        assert (first.best, first.best_lo, first.best_hi) == (second.best, second.best_lo, second.best_hi)
        assert second.priced.objective.mean == pytest.approx(first.priced.objective.mean, abs=1e-12)


def test_a_schedule_moves_steadily_and_more_choice_never_hurts() -> None:
    aim = Aim.balance(curves("general"), curves("domain"), 0.5)
    few, many = sweep_annealing(aim, RUN, (0.1, 0.3)), sweep_annealing(aim, RUN, (0.1, 0.2, 0.3, 0.4))
    assert many.loss <= few.loss
    fine = sweep_replay(aim, RUN, np.linspace(0.3, 0.31, 6)).priced.objective.mean
    assert np.abs(np.diff(fine)).max() < 1e-3
    weights = np.linspace(0.49, 0.51, 5)
    bests = [sweep_replay(Aim.balance(curves("general"), curves("domain"), w), RUN).loss for w in weights]
    assert np.abs(np.diff(bests)).max() < 0.005 * 4
    floors = [best_schedule(aim, RUN, floor).objective for floor in (0.0, 0.1, 0.4)]
    assert all(high >= low - 1e-9 for low, high in pairwise(floors))
