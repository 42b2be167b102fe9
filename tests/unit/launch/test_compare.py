from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.loss_table import LossTable
from dcpt.fit.fit_file import FitSet
from dcpt.launch.compare import Comparison, compare
from dcpt.plan.make_plan import make_plan
from dcpt.plan.objective import Objective
from dcpt.plan.plan import Plan

N, D = 1.2e6, 1.3e6


@pytest.fixture(scope="module")
def fits(synthetic):
    return synthetic.fits()


@pytest.fixture(scope="module")
def plan(fits) -> Plan:
    fields = {"N": N, "D": D, "keep": "general <= -1%", "general_now": 3.3}
    return make_plan(fits, Objective.of(fields))


def launched(synthetic, ratios, error=0.0, size=N) -> LossTable:
    rows = [
        {"run_id": f"full-{r:g}", "N": size, "D": D, "r": r, "eval_set": side, "sem": 0.01,
         "value": float(synthetic.fit_of(side, draws=1).mean(size, D, r)[0]) + error}
        for side in ("general", "domain") for r in ratios
    ]  # fmt: skip
    return LossTable.from_frame(pd.DataFrame(rows))


def test_a_run_that_follows_the_laws_is_inside_every_interval(synthetic, fits, plan) -> None:
    found = compare(plan, launched(synthetic, [plan.r]), fits)
    assert [row.side for row in found.rows] == ["domain", "general"]
    assert all(row.in_mean and row.in_obs and row.as_planned for row in found.rows)
    assert max(abs(row.error) for row in found.rows) < 1e-9
    assert found.rows[0].kept is None
    assert found.rows[1].ceiling == plan.ceiling


def test_a_miss_is_said_in_nats_per_cent_and_words(synthetic, fits, plan) -> None:
    found = compare(plan, launched(synthetic, [plan.r], error=0.5), fits)
    row = found.rows[1]
    assert row.error == pytest.approx(0.5)
    assert row.error_percent == pytest.approx(100 * 0.5 / row.measured)
    assert not row.in_obs
    assert row.kept is False
    assert "neither, ceiling broken" in found.summary()
    assert any("breaks the ceiling" in sentence for sentence in found.findings())


def test_the_measured_crossing_is_interpolated_between_runs(synthetic, fits, plan) -> None:
    found = compare(plan, launched(synthetic, [plan.r - 0.02, plan.r + 0.02]), fits)
    assert found.crossing() == pytest.approx(plan.r, abs=1e-3)
    assert compare(plan, launched(synthetic, [0.2, 0.3]), fits).crossing() is None


def test_a_run_of_another_size_is_compared_at_its_own_size_without_the_ceiling(synthetic, fits, plan) -> None:
    found = compare(plan, launched(synthetic, [0.5], size=0.6e6), fits)
    assert not any(row.as_planned for row in found.rows)
    assert [row.kept for row in found.rows] == [None, None]
    assert "None of these runs has the planned size and tokens." in found.findings()


def stepped(synthetic, r: float, tokens_per_step: int, tokens: float) -> LossTable:
    """A launched run of the sweep's own rounding: the nearest whole number of steps."""
    steps = round(tokens / tokens_per_step)
    frame = launched(synthetic, [r]).frame.assign(step=steps, D=float(steps * tokens_per_step))
    return LossTable.from_frame(frame)


@pytest.mark.parametrize(("tokens_per_step", "rounded"), [(102_400, True), (250_000, True), (400_000, True)])
def test_a_run_rounded_to_whole_steps_is_the_planned_one(
    synthetic, fits, plan, tokens_per_step, rounded
) -> None:
    """1.3M tokens at 400k a step are 3 steps, 1.2M: 8 % less, and still the planned run."""
    table = stepped(synthetic, plan.r, tokens_per_step, D)
    assert (abs(table.frame["D"].iloc[0] / D - 1) > 0.005) == rounded
    found = compare(plan, table, fits)
    assert all(row.as_planned for row in found.rows)
    assert found.rows[1].ceiling == plan.ceiling
    assert not any("planned size and tokens" in sentence for sentence in found.findings())


@pytest.mark.parametrize("tokens", [0.9e6, 1.7e6])
def test_a_step_more_or_less_is_another_run(synthetic, fits, plan, tokens) -> None:
    found = compare(plan, stepped(synthetic, plan.r, 400_000, tokens), fits)
    assert not any(row.as_planned for row in found.rows)
    # A table without steps counts tokens: the spelling alone decides.
    table = LossTable.from_frame(stepped(synthetic, plan.r, 400_000, D).frame.drop(columns="step"))
    assert not any(row.as_planned for row in compare(plan, table, fits).rows)


def test_only_ends_of_runs_count(synthetic, fits, plan) -> None:
    table = launched(synthetic, [0.5])
    trunk = LossTable.from_frame(table.frame.assign(phase="trunk"))
    with pytest.raises(DataError, match="no end of a run"):
        compare(plan, trunk, fits)


def test_other_fits_are_refused(synthetic, plan) -> None:
    with pytest.raises(ConfigError, match="not the one the plan was made from"):
        compare(plan, launched(synthetic, [0.5]), synthetic.fits(seed=8))


def test_a_comparison_survives_its_file(synthetic, fits, plan, tmp_path) -> None:
    found = compare(plan, launched(synthetic, [0.4, 0.6]), fits)
    path = found.save(tmp_path)
    assert path.name == "compare.json"
    assert Comparison.load(tmp_path) == found
    assert found.plan_fingerprint == plan.fingerprint
    document = json.loads(path.read_text())
    assert document["schema_version"] == 1
    path.write_text(json.dumps({**document, "level": "high"}))
    with pytest.raises(DataError, match="level"):
        Comparison.load(path)


def test_a_plan_in_bits_per_byte_is_compared_in_bits_per_byte(synthetic, fits) -> None:
    bits = FitSet([synthetic.fit_of(side, metric="bpb", scale=0.4) for side in ("general", "domain")])
    plan = make_plan(bits, Objective.of({"N": N, "D": D, "keep": "general <= -1%", "general_now": 1.32}))
    nats = launched(synthetic, [plan.r]).frame
    both = pd.concat(
        [nats, nats.assign(metric="bpb", unit="bits_per_byte", value=0.4 * nats["value"] + 0.01)]
    )
    found = compare(plan, LossTable.from_frame(both), bits)
    assert (found.metric, found.unit, len(found.rows)) == ("bpb", "bits_per_byte", 2)
    assert [row.error for row in found.rows] == pytest.approx([0.01, 0.01])
    assert "losses in bits per byte" in found.summary()
    assert "nats" not in found.summary()
    with pytest.raises(DataError, match="with metric bpb; found general, domain with loss"):
        compare(plan, LossTable.from_frame(nats), bits)
    with pytest.raises(ConfigError, match="in nats per token; the plan is in bits per byte"):
        compare(plan, LossTable.from_frame(nats.assign(metric="bpb")), bits)


def test_the_table_has_the_verdicts(synthetic, fits, plan) -> None:
    frame = compare(plan, launched(synthetic, [0.4, 0.6]), fits).table()
    assert {"error", "error_percent", "in_mean", "in_obs", "kept"} <= set(frame)
    assert len(frame) == 4
    assert np.isfinite(frame["error"]).all()
