from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dcpt.core.errors import ConfigError, PlanError
from dcpt.core.loss_table import LossTable
from dcpt.fit.bases import Bases
from dcpt.fit.fit_file import load_fits
from dcpt.plan.base_loss import find_base_loss
from dcpt.plan.make_plan import make_plan
from dcpt.plan.objective import Objective

ROOT = Path(__file__).resolve().parents[3]


def asking(N: float = 7e6, keep: str = "general <= +2%", **fields: float) -> Objective:
    return Objective.of({"N": N, "D": 1e6, "keep": keep, **fields})


def test_a_given_loss_is_taken(synthetic) -> None:
    base = find_base_loss(asking(general_now=2.86), synthetic.table())
    assert (base.value, base.source, base.log_sd) == (2.86, "given", 0.0)


def test_the_measured_base_of_that_size_is_taken_over_an_estimate(synthetic) -> None:
    base = find_base_loss(asking(N=0.2203e6), synthetic.table())  # 0.22M, typed with rounding
    assert base.source == "measured"
    assert base.value == pytest.approx(synthetic.base_loss(0.22e6), rel=1e-12)


def test_a_power_law_of_the_sizes_is_recovered(synthetic) -> None:
    base = find_base_loss(asking(N=1.8e6), synthetic.table())
    assert base.source == "estimated"
    assert base.value == pytest.approx(synthetic.base_loss(1.8e6), rel=1e-4)
    assert base.log_sd < 0.02


def test_noisy_bases_give_an_error_that_covers_the_truth() -> None:
    inside = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        sizes = np.array([0.05e6, 0.1e6, 0.2e6, 0.4e6, 0.8e6])
        losses = (1.2 + 2 * (sizes / 1e6) ** -0.16) * np.exp(0.004 * rng.standard_normal(5))
        frame = pd.DataFrame({"N": sizes, "D": 0.0, "r": 0.0, "eval_set": "general", "value": losses})
        base = find_base_loss(asking(N=2.4e6), LossTable.from_frame(frame))
        truth = 1.2 + 2 * 2.4**-0.16
        inside += abs(np.log(base.value / truth)) <= 1.645 * base.log_sd
    assert inside >= 15  # 18 of 20 expected at 90 %


def test_only_base_losses_of_the_fits_metric_and_unit_count(synthetic) -> None:
    nats = synthetic.table()
    both = LossTable.from_frame(
        pd.concat(
            [nats.frame, nats.frame.assign(metric="bpb", unit="bits_per_byte", value=lambda f: f.value / 3)]
        )
    )
    value = {metric: find_base_loss(asking(), both, metric=metric).value for metric in ("loss", "bpb")}
    assert value["bpb"] == pytest.approx(value["loss"] / 3, rel=1e-4)
    with pytest.raises(PlanError, match="base losses of 0 other sizes in bits per byte") as caught:
        find_base_loss(asking(), nats, metric="bpb")
    assert "bits per byte" in str(caught.value.hint)
    with pytest.raises(ConfigError, match="in nats per token; wanted bits per byte"):
        find_base_loss(asking(), nats, unit="bits_per_byte")


@pytest.mark.parametrize("sizes", [(), (0.1e6,), (0.1e6, 0.2e6)])
def test_too_few_bases_are_refused_with_a_hint(synthetic, sizes) -> None:
    table = synthetic.table(sizes=sizes) if sizes else None
    with pytest.raises(PlanError, match=f"base losses of {len(sizes)}") as caught:
        find_base_loss(asking(), table)
    assert "general_now" in str(caught.value.hint)


def noisy_bases(seed: int) -> Bases:
    rng = np.random.default_rng(seed)
    sizes = (0.055e6, 0.094e6, 0.22e6, 0.6e6, 0.9e6, 2.66e6)
    losses = (1.2 + 2 * (np.array(sizes) / 1e6) ** -0.16) * np.exp(0.002 * rng.standard_normal(6))
    return Bases(sizes, tuple(map(float, losses)))


@pytest.mark.parametrize("seed", range(3))
def test_the_loss_of_a_base_has_no_jump_where_measured_sizes_begin(seed) -> None:
    """Bases scatter by 0.2 % about their curve: measured and estimated losses join without a step."""
    bases = noisy_bases(seed)
    N = np.geomspace(0.04e6, 6e6, 4001)
    found = [find_base_loss(asking(N=float(size)), None, known=bases) for size in N]
    logs, sd = np.log([base.value for base in found]), np.array([base.log_sd for base in found])
    slope = np.diff(logs) / np.diff(np.log(N))
    assert slope.max() <= 0  # falls with size all the way, as the bases do
    assert slope.min() > -0.2
    assert np.abs(np.diff(sd)).max() < 2e-4
    for size, loss in zip(bases.sizes, bases.losses, strict=True):
        base = find_base_loss(asking(N=size), None, known=bases)
        assert (base.value, base.log_sd, base.source) == (loss, 0.0, "measured")
        beside = find_base_loss(asking(N=1.006 * size), None, known=bases)
        assert beside.source == "estimated"
        assert beside.value == pytest.approx(loss, rel=5e-4)
        assert 0 < beside.log_sd < 0.1 * find_base_loss(asking(N=1.4 * size), None, known=bases).log_sd
        assert [beside.value, beside.log_sd] == [float(part[0]) for part in bases.at(1.006 * size)]
    middle = float(np.sqrt(0.22e6 * 0.6e6))
    halfway = find_base_loss(asking(N=middle), None, known=bases)
    assert bases.nearest(middle).weight == pytest.approx(0)
    assert "led to" not in halfway.how
    assert "led to the measured loss of 600k" in find_base_loss(asking(N=0.62e6), None, known=bases).how


def test_the_end_of_the_sizes_is_priced_at_a_measured_base_too() -> None:
    """law_cpu: the measured base of 94.5k is better than the curve; 1 % beyond it is hardly another base."""
    fits, table = (
        load_fits(ROOT / "fits" / "law_cpu"),
        LossTable.read(ROOT / "experiments" / "law_cpu" / "losses.csv"),
    )
    asked = {"budget": {"flops": 1e12}, "keep": "general <= +2%", "r_max": 0.6}
    found = make_plan(fits, Objective.of({**asked, "N_min": 94528, "N_max": 0.6e6}), table)
    assert pytest.approx(94528) == found.N
    (end,) = [price for price in found.prices if (price.constraint, price.name) == ("range", "N")]
    beyond = make_plan(fits, Objective.of({**asked, "sizes": [94528 / 1.01]}), table)
    assert end.active
    assert end.per_percent == pytest.approx(beyond.domain.mean - found.domain.mean, abs=1e-6)
    assert end.per_percent == pytest.approx(-0.0014, abs=2e-4)  # not 0, as from the curve's loss beyond
