"""What the package's own tests would be: conformance, and a fit by the law's name."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from dcpt.core.loss_table import LossTable
from dcpt.fit import fit_law
from dcpt.laws import get_law, list_laws
from dcpt.laws.conformance import LawConformance


class TestSizeAwareMixture(LawConformance):
    law = get_law("size-aware-mixture")


def test_it_stands_beside_the_laws_of_dcpt():
    names = [law.name for law in list_laws()]
    assert {"size-aware-mixture", "d-cpt"} <= set(names)
    assert type(get_law("size-aware-mixture")).__module__ == "size_aware_mixture.law"
    assert get_law("size-aware-mixture+repetition").names[-1] == "R_D"


def test_it_is_fitted_by_its_name():
    law = get_law("size-aware-mixture")
    truth = dict(E=1.2, A=0.9, B=0.7, C=0.3, alpha=0.4, beta=0.35, kappa=0.2, eps=0.08, gamma=0.5)
    rows = list(itertools.product((1e6, 3e6, 9e6, 27e6), (1e6, 4e6, 16e6), (0.1, 0.25, 0.5, 0.75, 0.9)))
    frame = pd.DataFrame(rows, columns=["N", "D", "r"]).assign(eval_set="domain")
    inputs = {"N": frame["N"] / 1e6, "D": frame["D"] / 1e6, "s": frame["r"]}
    loss = law.evaluate([truth[name] for name in law.names], inputs)
    frame["value"] = loss * np.exp(0.001 * np.random.default_rng(0).standard_normal(len(loss)))
    fit = fit_law("size-aware-mixture", LossTable.from_frame(frame), "domain", bootstrap=0, holdouts=False)
    assert fit.law is law
    np.testing.assert_allclose(fit.mean(frame["N"], frame["D"], frame["r"]), loss, rtol=2e-3)
