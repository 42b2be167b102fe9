"""Curves put together for a fit are the curves by themselves, and their slopes are derivatives."""

import numpy as np
import pytest

from dcpt.core.curve import Curve, RateHistory
from dcpt.core.schedule import Schedule
from dcpt.core.schedule_joined import JoinedSchedule
from dcpt.laws.curves import get_curve_law

PRE = Schedule("wsd", 1e-3, 300, 20, 60)
THEN = (Schedule("wsd", 5e-4, 200, 10, 60), Schedule("cosine", 5e-4, 150, 5, floor=0.1))
LATE = {"s_late": 0.8, "late": 380}

LAWS = {
    "cpt-dynamics+size+replay+rate-power": ("general", "domain"),
    "cpt-dynamics+size+replay+share-annealing+memory": ("general", "domain"),
    "cpt-dynamics+share-clock+intrinsic-power": ("domain", "general"),
    "cpt-dynamics+replay-growing+intrinsic-exponential": ("domain",),
    "cpt-dynamics+replay-power": ("general",),
    "cpt-dynamics-unknown-base+size+replay-log+share-clock+rate-power": ("general",),
}
PSI = {"alpha": 0.5, "S0": 0.2, "g1": 0.2, "g2": -0.1, "g3": 0.3, "a1": 0.4, "E": 40.0, "beta": 0.3}
PSI |= {"m": 0.7, "k": 0.4, "eps": 0.05, "a": 2.0, "tau": 90.0, "c": 60.0, "b": 0.4, "p": 0.8}
CASES = [(name, side) for name, sides in LAWS.items() for side in sides]


def curves(side, law):
    """Two schedules, three sizes and shares of each, one of them with a later mixture."""
    made = []
    for schedule in THEN:
        both = JoinedSchedule(PRE, schedule)
        past = RateHistory(both.rates(), both.switch, both.rising)
        steps = np.arange(past.switch if law.two_phase else past.switch + 7, len(past) + 1, 9)
        for number, given in enumerate(({"s": 0.1}, {"s": 0.5}, {"s": 0.3, **LATE})):
            given = {**given, "N": (2.0 + number) * 1e6}
            made.append(Curve(f"{schedule}-{number}", past, steps, np.ones(len(steps)), given, side=side))
    return made


def psi_of(law):
    return {name: PSI[name] for name in law.nonlinear_names}


@pytest.mark.parametrize(("name", "side"), CASES)
def test_joined_rows_are_those_of_every_curve(name, side):
    law = get_curve_law(name)
    own, psi = curves(side, law), psi_of(law)
    joined = law.prepare(own)
    parts = [law.part(one.history, one.steps, one.given, side=side) for one in own]
    columns = np.concatenate([law.columns(part, psi)[1] for part in parts])
    slopes = np.concatenate([law.slopes(part, psi)[1] for part in parts], axis=1)
    np.testing.assert_allclose(law.basis(joined, psi)[1], columns, rtol=1e-13)
    np.testing.assert_allclose(law.basis_slopes(joined, psi)[1], slopes, rtol=1e-13, atol=1e-300)


@pytest.mark.parametrize(("name", "side"), CASES)
def test_slopes_are_central_differences(name, side):
    law = get_curve_law(name)
    rows, psi = law.prepare(curves(side, law)), psi_of(law)
    slopes = law.basis_slopes(rows, psi)[1]
    for index, parameter in enumerate(law.nonlinear_names):
        step = 1e-5 * abs(psi[parameter])
        ahead, behind = (
            law.basis(rows, {**psi, parameter: psi[parameter] + side})[1] for side in (step, -step)
        )
        expected = (ahead - behind) / (2 * step)
        scale = np.abs(expected).max()
        assert scale > 0, parameter
        np.testing.assert_allclose(slopes[index], expected, atol=1e-8 * scale, err_msg=parameter)


def test_runs_of_one_schedule_share_its_falls():
    law = get_curve_law("cpt-dynamics+size+replay+rate-power")
    own = [one for one in curves("general", law) if "late" not in one.given]
    joined = law.prepare(own).parts[0]
    distinct = sum(len(one.steps) for one in own[::2])  # two curves of each schedule
    assert len(joined.S) == 2 * distinct
    assert len(joined.pre.falls.area) == distinct
    assert len(joined.phases[0].annealing.falls.area) == distinct


def test_curves_of_both_sides_stay_apart():
    law = get_curve_law("cpt-dynamics+share-clock")
    own = [curves("general", law)[0], curves("domain", law)[1]]
    psi = psi_of(law)
    rows = law.basis(law.prepare(own), psi)[1]
    shift = law.linear_names.index("K")
    first = len(own[0].steps)
    assert rows[first - 1, shift] > 0 > rows[-1, shift]  # up for the general, down for the domain loss
