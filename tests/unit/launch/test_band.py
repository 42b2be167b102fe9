"""Where a launched run is expected while it runs, and what is said when it is not there."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))  # the miniature sweep lies there

from tiny_sweep import TinySweep

from dcpt.core.errors import DataError
from dcpt.core.loss_table import LossTable
from dcpt.core.run_spec import EvaluationSpec, RunSpec
from dcpt.core.schedule import Schedule
from dcpt.launch.band import band_of, expected, left_band, write_band
from dcpt.launch.compare import Comparison, compare
from dcpt.launch.course import Course
from dcpt.launch.live import LiveCheck, live_sentences, load_checks, save_checks
from dcpt.plan.make_plan import make_plan
from dcpt.plan.objective import Objective
from dcpt.plan.plan import Plan
from dcpt.train.band import LiveBand
from dcpt.train.evaluate import Measurement

N, D = 1.2e6, 1.3e6
WSD = Schedule("wsd", 1e-3, 512, warmup=10, decay=102)


def lead(size: float, tokens: float, r: float, share: float) -> float:
    """A way down that the line in log N, log D and r is the truth of."""
    return (1 - share) * (0.4 + 0.02 * np.log(size / 1e6) - 0.03 * np.log(tokens / 1e6) - 0.1 * r)


def proxies(noise: float = 0.0, decay: float = 0.2) -> pd.DataFrame:
    """Trunks of three sizes and four ratios, each with branches to two budgets."""
    rng = np.random.default_rng(0)
    rows = []
    for size in (1e5, 2e5, 4e5):
        for r in (0.2, 0.4, 0.6, 0.8):
            for tokens in (5e5, 1e6):
                # A trunk of its own for each budget: only the lead at that budget counts here.
                place = {"N": size, "r": r, "seed": int(tokens), "metric": "loss"}
                end = 3.0
                name = f"n{size:g}-r{r:g}-d{tokens:g}"
                rows.append(
                    {
                        **place,
                        "run_id": name,
                        "D": tokens,
                        "phase": "end",
                        "eval_set": "general",
                        "value": end,
                    }
                )
                for share in (0.2, 0.5, 1 - decay):
                    value = end * np.exp(lead(size, tokens, r, share) + noise * rng.normal())
                    trunk = {**place, "run_id": f"{name}-trunk", "D": share * tokens, "phase": "trunk"}
                    rows.append({**trunk, "eval_set": "general", "value": value})
    return pd.DataFrame(rows)


def test_the_way_down_is_carried_over_to_a_larger_target() -> None:
    course = Course(proxies(), "general", "general", WSD)
    found = course.at(0.5, N, D, 0.5, 0.9)
    assert found is not None
    assert found.mean == pytest.approx(lead(N, D, 0.5, 0.5), abs=1e-9)
    assert found.half < 1e-9
    between = course.at(0.35, N, D, 0.5, 0.9)
    assert between is not None
    assert between.mean == pytest.approx(lead(N, D, 0.5, 0.35), abs=1e-9)  # linear between evaluations
    assert course.at(0.9, N, D, 0.5, 0.9) is None  # inside the decay no trunk was measured


def test_nine_of_ten_new_runs_lie_in_the_interval() -> None:
    course = Course(proxies(noise=0.01), "general", "general", WSD)
    found = course.at(0.5, 4e5, 1e6, 0.4, 0.9)
    assert found is not None
    truth = lead(4e5, 1e6, 0.4, 0.5) + 0.01 * np.random.default_rng(1).normal(size=4000)
    assert np.mean(np.abs(truth - found.mean) <= found.half) == pytest.approx(0.9, abs=0.07)


def test_runs_of_another_shape_say_nothing() -> None:
    other = proxies().assign(schedule="cosine(peak=0.001, steps=512)")
    assert Course(other, "general", "general", WSD).at(0.5, N, D, 0.5, 0.9) is None


def test_a_way_down_is_that_of_runs_with_the_same_options() -> None:
    """Two variants share sizes, ratios and seeds; one of them is far above."""
    plain = proxies().assign(run=lambda frame: frame["r"].map("r{:g}-s0".format))
    far = plain.assign(run=plain["run"] + " tilt=1", run_id=plain["run_id"] + "-tilt")
    far["value"] *= np.where(far["phase"] == "trunk", 2.0, 1.0)
    alone = Course(plain, "general", "general", WSD).at(0.5, N, D, 0.5, 0.9)
    course = Course(pd.concat([plain, far]), "general", "general", WSD)
    own = [curve for curve in course.curves if curve[4].max() < np.log(2)]
    assert alone is not None
    assert len(own) == len(course.curves) / 2
    course.curves = own
    assert course.at(0.5, N, D, 0.5, 0.9) == alone


@pytest.fixture(scope="module")
def fits(synthetic):
    return synthetic.fits()


@pytest.fixture(scope="module")
def plan(fits) -> Plan:
    return make_plan(fits, Objective.of({"N": N, "D": D, "keep": "general <= -1%", "general_now": 3.3}))


@pytest.fixture
def spec(tmp_path: Path) -> RunSpec:
    sweep = TinySweep(tmp_path)
    whole = sweep.whole(sweep.trunk(sweep.base(), steps=410), decay=102)
    return replace(whole, evaluation=EvaluationSpec(128, 16, ends=(512,)))


def test_the_band_ends_at_the_plans_interval_of_a_run(plan: Plan, spec: RunSpec) -> None:
    rows = band_of(plan, spec, plan.r, None)
    assert [(row.step, row.eval_set) for row in rows] == [(512, "domain"), (512, "general")]
    loss = plan.losses["general"]
    assert (rows[1].lo, rows[1].mean, rows[1].hi) == (loss.obs_lo, loss.mean, loss.obs_hi)
    beside = expected(plan, "domain", plan.r - 0.1)
    assert beside is not None
    assert beside.mean > plan.losses["domain"].mean  # less domain text, a higher domain loss
    assert expected(plan, "domain", 1.5) is None


def test_on_the_way_the_band_is_higher_and_wider(plan: Plan, spec: RunSpec) -> None:
    frame = proxies(noise=0.003)
    frame = pd.concat([frame, frame.assign(eval_set="domain")])
    frame = frame.assign(
        tokens=frame["D"], unit="nats_per_token", sem=0.01, eta=1e-3, S1=1.0, S2=0.0, r_seen=frame["r"]
    )
    rows = band_of(plan, spec, plan.r, LossTable.from_frame(frame))
    general = [row for row in rows if row.eval_set == "general"]
    assert [row.step for row in general] == [128, 256, 384, 512]
    assert all(left.mean > right.mean for left, right in pairwise(general))
    end = general[-1]
    for row in general[:-1]:
        assert row.lo < row.mean < row.hi
        assert np.log(row.hi / row.lo) > np.log(end.hi / end.lo)


def test_the_trainer_reads_the_band_that_is_written(plan: Plan, spec: RunSpec, tmp_path: Path) -> None:
    rows = band_of(plan, spec, plan.r, None)
    write_band(tmp_path, plan.fingerprint, plan.objective.level, plan.unit, rows)
    band = LiveBand(tmp_path)
    inside, above = (
        Measurement("general", "loss", "nats_per_token", value, 0.01, 100) for value in (rows[1].mean, 99.0)
    )
    assert [(item.inside, item.changed) for item in band.check(512, [inside])] == [(True, False)]
    gone = band.check(512, [above])[0]
    assert (gone.inside, gone.changed) == (False, True)
    assert band.check(511, [above]) == []
    words = left_band({"run_id": "full", **vars(gone)})
    assert words.startswith("full step 512: the general loss 99.0000 left its band: above ")
    back = band.check(512, [inside])[0]
    assert "is back inside its band" in left_band({"run_id": "full", **vars(back)})
    (tmp_path / "band.json").write_text('{"schema_version": 1, "rows": [{"step": 1}]}')
    with pytest.raises(DataError, match=r"band.json: is damaged"):
        LiveBand(tmp_path)


def test_a_comparison_says_what_the_live_check_saw(synthetic, plan: Plan, fits, tmp_path: Path) -> None:
    out = LiveCheck("full", 128, "general", "loss", 5.0, 3.0, 3.2, 3.4, False)
    checks = (out, replace(out, step=256, value=3.3, inside=True))
    save_checks(tmp_path, checks)
    assert load_checks(tmp_path) == checks
    assert load_checks(tmp_path / "nowhere") == ()
    rows = [
        {"run_id": "full", "N": N, "D": D, "r": plan.r, "eval_set": side, "sem": 0.01,
         "value": plan.losses[side].mean} for side in ("general", "domain")
    ]  # fmt: skip
    found = compare(plan, LossTable.from_frame(pd.DataFrame(rows)), fits, checks)
    assert (
        "While full ran, 1 of its 2 checked losses lay outside their bands, the first at step 128: general "
        "5.0000, above 3.0000 to 3.4000; all came back."
    ) in found.findings()
    assert Comparison.load(found.save(tmp_path)) == found
    assert live_sentences([checks[1]]) == ["While full ran, all checked losses (1) lay in their bands."]
