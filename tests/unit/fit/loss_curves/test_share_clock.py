"""The clock of the share at its limits: without replay, and where no mixture tells its power."""

from __future__ import annotations

import numpy as np
import pytest

from dcpt.core.curve import Curve, RateHistory
from dcpt.core.schedule import Schedule
from dcpt.core.schedule_joined import JoinedSchedule
from dcpt.fit.loss_curves import fit_curves
from dcpt.laws.curves import get_curve_law

LAW = "cpt-dynamics+share-clock+intrinsic-power"
BASE = Schedule("wsd", 3e-3, 400, 40, 80)
SHAPES = (Schedule("constant", 1e-3, 300, 10), Schedule("wsd", 1e-3, 300, 10, 150, "linear"))
STEPS = np.concatenate([np.arange(60, 401, 20), np.arange(405, 701, 5)])
M = 0.7


def curves(world, shares, schedules=SHAPES):
    """Noiseless domain losses of a law whose clock runs with the share to the power 0.7."""
    law = get_curve_law(LAW)
    truth = {**world.TRUTH["domain"], "m": M}
    made = []
    for s in shares:
        for schedule in schedules:
            joined = JoinedSchedule(BASE, schedule)
            history = RateHistory(joined.rates(), joined.switch, joined.rising)
            name, flat = f"{s}-{schedule.kind}", np.ones(len(STEPS))
            blank = Curve(name, history, STEPS, flat, {"s": s}, side="domain")
            loss = law.evaluate({item: truth[item] for item in law.names}, [blank])
            made.append(Curve(name, history, STEPS, loss, {"s": s}, side="domain"))
    return made


def test_runs_without_replay_among_others_leave_the_power_inside(world):
    fit = fit_curves(LAW, curves(world, (0.3, 1.0)))
    assert fit.params["m"] == pytest.approx(M, abs=0.05)
    assert "m" not in fit.at_bound
    (unseen,) = curves(world, (0.6,), (Schedule("cosine", 1e-3, 300, 10, floor=0.1),))
    assert fit.mean(unseen) == pytest.approx(unseen.loss, abs=2e-3)


def test_runs_without_replay_alone_say_that_the_power_is_not_known(world):
    """At a share of 1 the clock runs at pace 1 whatever its power."""
    fit = fit_curves(LAW, curves(world, (1.0,)))
    said = [item for item in fit.warnings if item.kind == "not_told_apart" and item.parameters == ("m",)]
    assert "without any effect on the fitted losses" in said[0].message
