"""Which curves a law can be fitted to, and which losses it is scored on."""

import numpy as np
import pytest

from dcpt.core.curve import Curve, RateHistory
from dcpt.core.errors import ConfigError
from dcpt.core.schedule import Schedule
from dcpt.fit.loss_curves.chosen_curves import check_constants, check_read, split

HISTORY = RateHistory.of(Schedule("cosine", 1e-3, 100, 20).rates())


def curve(name, **given):
    steps = np.arange(5, 101, 5)
    return Curve(name, HISTORY, steps, 5.0 - 0.01 * steps, given)


def test_curves_are_scored_on_what_fits_do_not_leave_out():
    train, test = split([curve("a"), curve("b")], None, "b")
    assert train[0].steps[0] == 5
    assert (test[0].name, test[0].steps[0]) == ("b", 20)


def test_the_bases_general_loss_tells_a_law_the_size():
    curves = [curve("a", N=1e6, G0=3.2), curve("b", N=2e6, G0=3.0)]
    check_constants(curves, "joint-domain", ("s", "L0", "G0"))
    with pytest.raises(ConfigError, match="does not read N, but the curves have 2 sizes N"):
        check_constants(curves, "cpt-dynamics", ())


def test_what_a_law_reads_is_asked_for_by_its_column():
    check_read([curve("a", N=1e6)], "cpt-dynamics+size", ("N",))
    with pytest.raises(ConfigError, match="reads r, which curve a does not have") as caught:
        check_read([curve("a", N=1e6)], "cpt-dynamics+replay+size", ("N", "s"))
    assert "--map r=COLUMN" in caught.value.hint
