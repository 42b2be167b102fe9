"""Domain coefficients from a short run, and the collapse to one domain's D-CPT law."""

from __future__ import annotations

import numpy as np
import pytest

from dcpt.core.errors import ConfigError, DataError
from dcpt.laws import get_law
from dcpt.laws.cross_domain import collapse, domain_coefficients


def test_coefficients_are_level_slope_and_curvature():
    # Que et al. 2024, App. H: k3 is the difference of the two falls, not the fall over 10,000 steps.
    found = domain_coefficients(3.0, 2.5, 2.0, 1.75)
    assert (found.k1, found.k2, found.k3) == (2.5, 1.0, 0.75)
    straight = domain_coefficients(3.0, 2.8, 2.0, 1.0)
    assert straight.k3 == 0.0


@pytest.mark.parametrize("losses", [(2.0, 2.1, 2.2, 2.3), (3.0, 0.0, 2.0, 1.0), (3.0, 2.0, np.nan, 1.0)])
def test_a_run_that_does_not_learn_is_refused(losses):
    with pytest.raises(DataError, match="domain coefficients"):
        domain_coefficients(*losses)


@pytest.mark.parametrize("form", ["k1", "k2", "k3", "k4"])
def test_a_known_domain_leaves_a_dcpt_law(form):
    law, plain = get_law(f"cross-d-cpt-{form}"), get_law("d-cpt")
    rng = np.random.default_rng(1)
    p = dict(zip(law.names, rng.uniform(0.2, 0.9, len(law.names)), strict=True))
    k = {"k1": 2.5, "k2": 0.6, "k3": 0.2}
    inputs = {"N": np.array([0.3, 1.0, 4.0]), "D": np.array([2.0, 0.5, 1.0]), "s": np.array([0.1, 0.5, 1.0])}
    own = collapse(law, p, k)
    wide = law.evaluate([p[name] for name in law.names], {**inputs, **k})
    np.testing.assert_allclose(plain.evaluate([own[name] for name in plain.names], inputs), wide, rtol=1e-12)
    K = {
        "k1": 1 / k["k1"],
        "k2": k["k2"],
        "k3": p.get("w", 0) / k["k1"] + (1 - p.get("w", 0)) * k["k2"],
        "k4": p.get("w", 0) / k["k1"] + (1 - p.get("w", 0)) * k["k2"] + p.get("v", 0) / k["k3"],
    }[form]
    assert own["E"] == pytest.approx(p["E"] + p["F"] / K ** p["mu"])


def test_a_missing_coefficient_is_named():
    law = get_law("cross-d-cpt-k3")
    values = dict.fromkeys(law.names, 0.5)
    with pytest.raises(ConfigError, match="k2 = None"):
        collapse(law, values, {"k1": 2.0})
    with pytest.raises(ConfigError, match="not one of the cross-domain laws"):
        collapse(get_law("d-cpt"), values, {"k1": 2.0})
