"""Third losses as a combination of two: recovered, refused, and not invented."""

import numpy as np
import pytest

from dcpt.core.errors import DataError, FitError
from dcpt.laws.curves.out_of_domain import fit_out_of_domain

STEPS = np.arange(1.0, 41.0)
GENERAL = 3.0 + 0.1 * np.log(STEPS)
DOMAIN = 2.5 + 0.6 * STEPS**-0.4


def test_published_coefficients_come_back():
    # Wang et al. 2025 (arXiv:2505.07796): C4 = 0.867 general + 0.152 domain; arXiv = -0.609 and 1.631.
    for general, domain in ((0.867, 0.152), (-0.609, 1.631)):
        found = fit_out_of_domain(GENERAL, DOMAIN, general * GENERAL + domain * DOMAIN, intercept=False)
        assert (found.general, found.domain) == pytest.approx((general, domain))
        assert found.intercept == 0.0
        assert found.r2 == pytest.approx(1.0)
        assert found.predict(3.1, 2.6) == pytest.approx(general * 3.1 + domain * 2.6)


def test_an_intercept_is_found_and_missed_without_one():
    measured = 0.6 * GENERAL + 0.3 * DOMAIN + 0.4
    found = fit_out_of_domain(GENERAL, DOMAIN, measured)
    assert found.intercept == pytest.approx(0.4)
    assert found.worst < 1e-9
    assert fit_out_of_domain(GENERAL, DOMAIN, measured, intercept=False).mae > 1e-4


def test_a_poor_combination_promises_nothing():
    noise = np.random.default_rng(0).normal(0.0, 0.2, len(STEPS))
    found = fit_out_of_domain(GENERAL, DOMAIN, 3.0 + noise)
    assert not found.promises
    assert found.r2 < 0.3
    with pytest.raises(FitError, match="explains 0"):
        found.predict(3.0, 2.5)


def test_refusals():
    with pytest.raises(FitError, match="move together"):
        fit_out_of_domain(GENERAL, 2 * GENERAL - 1, DOMAIN)
    with pytest.raises(FitError, match="3 checkpoints for 3 coefficients"):
        fit_out_of_domain(GENERAL[:3], DOMAIN[:3], DOMAIN[:3])
    with pytest.raises(DataError, match="40 general, 39 domain"):
        fit_out_of_domain(GENERAL, DOMAIN[:-1], DOMAIN)
    with pytest.raises(DataError, match="not a positive number"):
        fit_out_of_domain(GENERAL, DOMAIN, DOMAIN - 9)
    with pytest.raises(DataError, match="all measured losses are the same"):
        fit_out_of_domain(GENERAL, DOMAIN, np.full(40, 2.0))
