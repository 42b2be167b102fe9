"""Laws of continual pre-training dynamics pass the conformance class of the laws of curves."""

import numpy as np

from dcpt.core.curve import RateHistory
from dcpt.laws.curves import get_curve_law
from dcpt.laws.curves.conformance import CurveLawConformance


class OfTwoPhases(CurveLawConformance):
    """The histories of the class, behind a pre-training with a decay of its own."""

    falls_with_rate = False  # the general loss rises while continual pre-training shifts it

    def histories(self):
        pre = np.concatenate([np.linspace(5e-5, 1e-3, 20), np.full(100, 1e-3), np.linspace(1e-3, 3e-4, 60)])
        return {
            name: RateHistory(
                np.concatenate([pre, past.rates]),
                len(pre),
                np.concatenate([np.arange(len(pre)) < 20, past.rising]),
            )
            for name, past in super().histories().items()
        }


class TestPublishedGeneral(OfTwoPhases):
    law = get_curve_law("cpt-dynamics")


class TestPublishedDomain(OfTwoPhases):
    law = get_curve_law("cpt-dynamics")
    side = "domain"


class TestSizeAndReplay(OfTwoPhases):
    law = get_curve_law("cpt-dynamics+size+replay+share-annealing+memory")
    given = {"N": 3e6, "s": 0.3}  # noqa: RUF012


class TestShareClock(OfTwoPhases):
    law = get_curve_law("cpt-dynamics+share-clock+rate-power")
    given = {"s": 0.3}  # noqa: RUF012
    side = "domain"


class TestShiftedPower(OfTwoPhases):
    law = get_curve_law("cpt-dynamics+replay-shifted-power+intrinsic-power")
    given = {"s": 0.3}  # noqa: RUF012


class TestUnknownBase(CurveLawConformance):
    law = get_curve_law("cpt-dynamics-unknown-base+intrinsic-exponential")
    falls_with_rate = False
