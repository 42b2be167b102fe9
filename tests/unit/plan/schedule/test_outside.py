"""What is said of runs beyond the fitted curves, row by row, and of ends near a rate of zero."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dcpt.core.schedule import Schedule
from dcpt.plan.schedule.aim import Aim
from dcpt.plan.schedule.knobs import sweep_peak, sweep_potential
from dcpt.plan.schedule.low_rates import low_rate_doubts
from dcpt.plan.schedule.outside import outside_curves
from dcpt.plan.schedule.setting import Setting

PRE = Schedule("wsd", 3e-3, 800, 80, 160, "linear")
CPT = Schedule("wsd", 1e-3, 400, 10, 80, "linear")
RANGES = {
    "peak": (3e-3, 3e-3),
    "cpt_peak": (5e-4, 2e-3),
    "horizon": (800.0, 1200.0),
    "area": (1.5, 2.8),
    "s": (0.1, 0.9),
    "N": (1e5, 2e5),
}


@pytest.fixture
def run():
    return Setting(CPT, PRE, r=0.5, N=1e5)


def test_every_row_says_what_of_it_lies_outside(make_fit, run) -> None:
    """Peaks of 5e-4 to 2e-3, up to 1,200 steps and shares of .1 to .9 were fitted."""
    general = make_fit("general", "cpt-dynamics+replay", 3, RANGES, k=0.4, eps=0.05)
    domain = make_fit("domain", "cpt-dynamics+replay", 3, RANGES, k=1.0, eps=0.5)
    aim = Aim.balance(general, domain, 0.5)
    frame = sweep_peak(aim, run, (2.5e-4, 5e-4, 2.05e-3, 2.8e-3)).frame
    assert frame["outside"].tolist() == ["peak 2x", "", "", "peak 1.4x, area 1.09x"]
    others = [
        replace(run, cpt=replace(CPT, steps=2800)),
        replace(run, r=0.95),
        replace(run, pre=replace(PRE, peak=1.5e-3)),
        replace(run, cpt=replace(CPT, steps=200)),
        replace(run, r=0.5, r_late=0.97, late_steps=40),
    ]
    said = outside_curves([general, domain], others)
    assert said[0].startswith("steps 3x, area")
    assert said[1:] == ["s", "base peak 2x", "", "s"]
    assert outside_curves([make_fit("general")], [run]) == [""]  # nothing is known of its curves


def test_ends_near_zero_are_doubted_where_the_law_makes_much_of_them(make_fit, run) -> None:
    """The last of 160 steps ends at 1/160 or at 0.02 + 0.98/160 of the peak; each to the power 0.16."""
    steep, plain = (make_fit("domain", "cpt-dynamics+rate-power", c=100.0, b=0.3, p=p) for p in (0.16, 1.0))
    found = {
        p: sweep_potential(Aim.of(fit), run, potentials=(0.0, 0.02, 0.5))
        for p, fit in ((0.16, steep), (1.0, plain))
    }
    doubts = {p: [item for item in sweep.caveats if item.kind == "low_rates"] for p, sweep in found.items()}
    assert doubts[1.0] == []
    (doubt,) = doubts[0.16]
    low, high = 1 / 160, 0.02 + 0.98 / 160
    assert f"from {low:.2g} to {high:.2g} of the peak" in doubt.message
    assert f"{100 * (high**0.16 - low**0.16):.0f} % of the whole fall" in doubt.message
    # And so the answer does hang on it: of what the potentials differ in, a good part lies in the last 2 %.
    losses = {p: np.array(sweep.frame["domain"]) for p, sweep in found.items()}
    parts = {p: abs((loss[1] - loss[0]) / (loss[2] - loss[0])) for p, loss in losses.items()}
    assert parts[0.16] > 4 * parts[1.0]
    alone = [run, replace(run, pre=replace(PRE, floor=0.5))]
    assert list(low_rate_doubts(steep, alone)) == []
    # How near zero the run's own decay ends is no matter: nothing is gained after its last step.
    decays = [replace(run, cpt=replace(CPT, decay=steps)) for steps in (40, 400 - 10)]
    assert list(low_rate_doubts(steep, decays)) == []
