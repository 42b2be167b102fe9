"""Schedules: their formulas at the ends of every part, their text, and tables read from a file."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcpt.core.curve import RateHistory
from dcpt.core.errors import ConfigError, DataError
from dcpt.core.run_spec import from_dict, to_dict
from dcpt.core.schedule import USES, Schedule
from dcpt.core.schedule_joined import JoinedSchedule, joined
from dcpt.core.schedule_shapes import COOLDOWNS, SHAPES
from dcpt.core.schedule_table import read_schedule
from dcpt.core.schedule_text import parse_schedule

PEAK = 2e-3
shares = st.floats(0.01, 1.0)


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Any schedule without fields its kind has no use for."""
    kind = draw(st.sampled_from(list(USES)))
    steps, peak = draw(st.integers(2, 80)), draw(st.floats(1e-6, 1.0))
    fields: dict[str, Any] = {"warmup": draw(st.integers(0, steps // 2))}
    rest = steps - fields["warmup"]
    if kind == "table":
        at = sorted(draw(st.sets(st.integers(2, steps), max_size=5)) | {draw(st.integers(0, 1)), steps})
        rates = [draw(st.floats(0, 1)) for _ in at]
        rates[draw(st.integers(0, len(at) - 1))] = peak = max(1e-3, *rates)
        return Schedule("table", peak, steps, fields["warmup"], knots=tuple(zip(at, rates, strict=True)))
    if kind == "multi-step":
        at = sorted(draw(st.sets(st.integers(fields["warmup"], steps - 1), min_size=1, max_size=3)))
        fields |= {"milestones": tuple(at), "factors": tuple(draw(shares) for _ in at)}
    if kind in ("cosine", "linear", "wsd", "infinite"):
        fields["floor"] = draw(shares)
    if kind in ("wsd", "infinite"):
        fields["decay"] = draw(st.integers(0, rest))
    if kind == "wsd":
        fields["shape"] = draw(st.sampled_from(SHAPES))
    if kind == "infinite":
        fields |= {
            "cooldown": draw(st.integers(0, rest - fields["decay"])),
            "cooldown_shape": draw(st.sampled_from(COOLDOWNS)),
            "plateau": draw(st.floats(fields["floor"], 1.0)),
            "anneal": draw(st.integers(0, 100)),
        }
    # At once at the plateau, or behind the first milestone, it must not stand still.
    if fields["warmup"] == 0 and not fields.get("cooldown") and fields.get("plateau") == 0:
        fields["plateau"] = 0.5
    if fields["warmup"] == 0 and fields.get("milestones", ())[:1] == (0,) and not any(fields["factors"]):
        fields["factors"] = (0.5, *fields["factors"][1:])
    return Schedule(kind, peak, steps, warmup_from=draw(st.sampled_from([0.0, 0.3])), **fields)  # type: ignore[arg-type]


@given(schedules())
def test_text_and_json_come_back(schedule: Schedule) -> None:
    """Both carry every digit: the same schedule, so the same run id and the same rates."""
    assert parse_schedule(schedule.text) == schedule
    assert from_dict(Schedule, json.loads(json.dumps(to_dict(schedule))), "spec.json") == schedule


@given(schedules())
def test_rates_are_finite_and_at_most_the_peak(schedule: Schedule) -> None:
    rates = schedule.rates()
    assert rates.shape == schedule.rising.shape == (schedule.steps,)
    assert (rates >= 0).all()
    assert (rates <= schedule.peak * (1 + 1e-12)).all()
    assert schedule.rising.sum() == schedule.warmup
    if schedule.kind != "table":
        assert (
            rates[schedule.warmup :]
            >= schedule.peak * min(schedule.floor, *schedule.factors, 1) * (1 - 1e-12)
        ).all()
        if schedule.warmup:
            assert rates[schedule.warmup - 1] == pytest.approx(schedule.peak)


def decayed(shape: str, floor: float = 0.1, decay: int = 10) -> np.ndarray:
    return Schedule("wsd", 1.0, 30, warmup=4, decay=decay, shape=shape, floor=floor).rates()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "formula"),
    [
        ("linear", lambda p, f: f + (1 - f) * (1 - p)),
        ("1-sqrt", lambda p, f: f + (1 - f) * (1 - p**0.5)),
        ("sqrt", lambda p, f: f + (1 - f) * (1 - p) ** 0.5),
        ("geometric", lambda p, f: 1.0 ** (1 - p) * f**p),
        ("harmonic", lambda p, f: 1 / (p / f + (1 - p) / 1.0)),
    ],
)
def test_decays_begin_at_the_plateau_and_head_for_the_floor(shape: str, formula: Any) -> None:
    """Progress is 0, 1/n, ..., (n-1)/n: the floor itself is where the next step would be."""
    rates = decayed(shape)
    assert (rates[3:21] == 1.0).all()  # the last step of the warm-up to the first of the decay
    assert rates[20:] == pytest.approx([formula(k / 10, 0.1) for k in range(10)])
    assert formula(1.0, 0.1) == pytest.approx(0.1)


def test_a_warm_up_may_begin_above_zero() -> None:
    """Continual pre-training that takes over at a tenth of its peak: up by equal steps, peak at the last."""
    rates = Schedule("cosine", PEAK, 20, warmup=4, floor=0.1, warmup_from=0.1).rates()
    assert rates[:4] / PEAK == pytest.approx([0.325, 0.55, 0.775, 1.0])
    assert rates[4] == PEAK
    # Ibrahim et al. 2024: eta_min + (eta_peak - eta_min)/2 (1 + cos(pi (n - W)/(N - W))), n the steps behind.
    n = np.arange(4, 20)
    assert rates[4:] == pytest.approx(PEAK * (0.1 + 0.45 * (1 + np.cos(np.pi * (n - 4) / 16))))


def test_multi_step() -> None:
    """8-1-1: the milestone's step still has the rate before it."""
    schedule = parse_schedule("multi-step(peak=2e-3, steps=100, milestones=[80%, 90%], factors=[0.316, 10%])")
    assert isinstance(schedule, Schedule)
    rates = schedule.rates()
    assert rates[[0, 79, 80, 89, 90, 99]] / PEAK == pytest.approx([1, 1, 0.316, 0.316, 0.1, 0.1])
    assert schedule.decay_start == 80
    stage = parse_schedule("two-stage(peak=2e-3, steps=100, milestones=[80], factors=[0.3])")
    assert stage == Schedule("multi-step", PEAK, 100, milestones=(80,), factors=(0.3,))


@pytest.mark.parametrize("cooldown", COOLDOWNS)
def test_infinite(cooldown: str) -> None:
    """Cool-down to the plateau, plateau, exponential to the floor: at the floor after `anneal` steps."""
    schedule = Schedule(
        "infinite", PEAK, 60, warmup=5, cooldown=10, cooldown_shape=cooldown, plateau=0.4,  # type: ignore[arg-type]
        decay=20, anneal=16, floor=0.04,
    )  # fmt: skip
    rates = schedule.rates() / PEAK
    assert rates[[4, 5]] == pytest.approx([1.0, 1.0])
    assert rates[15:41] == pytest.approx(0.4)
    assert (np.diff(rates[5:16]) < 0).all()
    assert rates[40:] == pytest.approx([0.4 * 0.1 ** min(k / 16, 1) for k in range(20)])
    half = {"cosine": 0.7, "linear": 0.7, "inverse-sqrt": 1 - 0.6 * (1 / 6**0.5 - 1) / (1 / 11**0.5 - 1)}
    assert rates[10] == pytest.approx(half[cooldown])
    assert schedule.decay_start == 40


def test_joined() -> None:
    text = (
        "wsd(peak=0.003, steps=80, warmup=8, decay=16, shape=1-sqrt)"
        " | constant(peak=0.001, steps=20, warmup=2)"
    )
    both = parse_schedule(text)
    assert isinstance(both, JoinedSchedule)
    assert both.text == text
    assert (both.steps, both.switch, int(both.rising.sum())) == (100, 80, 10)
    assert both.rising[[7, 8, 79, 80, 81, 82]].tolist() == [True, False, False, True, True, False]
    assert both.rates()[[79, 80]] == pytest.approx([both.pre.rates()[-1], 0.0005])
    history = RateHistory(both.rates(), both.switch, both.rising)
    assert (len(history.rates), history.switch, int(history.rising.sum())) == (100, 80, 10)
    assert joined(both.pre, both.cpt) == both
    assert joined(None, both.cpt) == both.cpt


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wds(peak=1, steps=5)", "unknown name 'wds'.*did you mean 'wsd'"),
        ("wsd(peek=1, steps=5)", "wsd: unknown name 'peek'.*did you mean 'peak'"),
        ("wsd(peak=1, steps=5, shape=1-sqr)", "unknown name '1-sqr'.*did you mean '1-sqrt'"),
        ("cosine(peak=1, steps=5, decay=20%)", "cosine: unknown name 'decay'"),
        ("cosine(peak=1)", "cosine has no steps"),
        ("cosine(peak=__import__('os'), steps=5)", "wanted a number"),
        ("cosine(peak=1, steps=5.5)", "wanted a whole number of steps"),
        ("wsd(peak=1, steps=50, decay=0.2)", "whole number of steps.*written 20%"),
        ("cosine(peak=1, peak=2, steps=5)", "peak stands twice"),
        ("cosine(1, 5)", "wanted NAME=VALUE"),
        ("cosine(peak=1, steps=1e300)", "at most 100000000 steps"),
        ("cosine", "wanted KIND"),
        ("cosine(peak=1, steps=5) | cosine(peak=1, steps=5) | cosine(peak=1, steps=5)", "got 3 parts"),
        ("wsd(peak=1, steps=10, warmup=8, decay=5)", r"warm-up \(8\) and decay \(5\) need 13 steps"),
        ("wsd(peak=1, steps=10, decay=5, shape=geometric)", "wanted a positive floor"),
        ("two-stage(peak=1, steps=10, milestones=[3, 5], factors=[.5, .1])", "two-stage steps down once"),
        ("multi-step(peak=1, steps=10, milestones=[5, 3], factors=[.5, .1])", "wanted growing steps"),
        ("multi-step(peak=1, steps=10, milestones=[5, 10], factors=[.5, .1])", "before 10"),
        ("multi-step(peak=1, steps=10, milestones=[5], factors=[.5, .1])", "1 milestones and 2 factors"),
        ("table(knots=[1:1, 9])", "wanted STEP:RATE"),
        ("table(knots=[3:1, 9:0])", "from step 3 to 9"),
        ("infinite(peak=1, steps=10, plateau=0)", "every rate of this infinite schedule is 0"),
        ("multi-step(peak=1, steps=10, milestones=[0], factors=[0])", "wanted one that trains"),
        ("table(knots=[1:1, 9:-1])", "not negative"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=r"(?s)" + message):
        parse_schedule(text)


@given(st.text("wsdcosinetable()[]=,:|%.-0123456789e peakstpmilo", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for line in (text, f"table(knots=[{text}])", f"wsd(peak=1, steps=9, {text})"):
        with contextlib.suppress(ConfigError):
            again = parse_schedule(line)
            assert parse_schedule(again.text).rates().shape == (again.steps,)


def test_a_field_of_another_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="cosine has no milestones"):
        Schedule("cosine", PEAK, 10, milestones=(3,), factors=(0.1,))


def test_a_table_from_a_file(tmp_path: Path) -> None:
    """Rates of the file at its steps, straight lines between, the first rise as warm-up."""
    path = tmp_path / "rates.csv"
    path.write_text("loss,step,lr\n9,0,0\n8,10,1e-3\n7,20,1e-3\n7,30,1e-3\n6,40,2e-4\n")
    schedule = read_schedule(path)
    assert (schedule.kind, schedule.steps, schedule.warmup, schedule.decay_start) == ("table", 40, 10, 30)
    rates = schedule.rates()
    assert rates[[4, 9, 24, 29, 34, 39]] == pytest.approx([5e-4, 1e-3, 1e-3, 1e-3, 6e-4, 2e-4])
    assert parse_schedule(schedule.text) == schedule


@given(schedules())
def test_a_file_of_every_step_is_the_schedule(schedule: Schedule) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rates.csv"
        rows = (f"{step},{rate!r}\n" for step, rate in enumerate(schedule.rates().tolist(), 1))
        path.write_text("step,lr\n" + "".join(rows))
        assert (read_schedule(path).rates() == schedule.rates()).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,0.1\n2,0.1\n", "no column 'step' in its header"),
        ("step,loss\n1,0.1\n", "no column 'lr' in its header"),
        ("step,lr\n1,0.1\n1,0.2\n", "line 3: step is 1 behind step 1"),
        ("step,lr\n1,nan\n", "line 2: lr is 'nan'"),
        ("step,lr\n1,-0.1\n", "line 2: the rate is -0.1"),
        ("step,lr\n1\n", "line 2: lr is ''"),
        ("step,lr\n1,0\n", "no row with a positive rate"),
        ("step,lr\n7,0.1\n9,0\n", "from step 7 to 9"),
        ("", r"no column 'step' in its header \(nothing\)"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_table_of_rates(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "rates.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_schedule(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_schedule(tmp_path / "absent.csv")
