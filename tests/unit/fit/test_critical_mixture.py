"""The critical mixture ratio from runs: what is known is found again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dcpt.core.errors import ConfigError, DataError, FitError
from dcpt.core.loss_table import LossTable
from dcpt.fit import fit_critical_mixture, fit_critical_ratio
from dcpt.laws import Change, RatioChanges, critical_mixture_ratio, critical_time

START = {"general": 2.8, "domain": 2.2}
TOKENS = (0.25e9, 0.5e9, 1e9, 2e9, 4e9, 8e9, 16e9, 24e9)
RATIOS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7)


def changes(r):
    """By T in billions: the more domain text, the later the gain of its loss outweighs the general rise."""
    return RatioChanges(r, Change(((-0.1, 0.5),), 0.02), Change(((0.3 + 0.6 * r, 0.2), (-0.001, 0.8)), -0.82))


def table(noise=0.0, tokens=TOKENS, ratios=RATIOS):
    rng = np.random.default_rng(0)
    rows = [("base", 1e9, 0.0, 0.0, name, loss) for name, loss in START.items()]
    rows += [("small", 1e8, 1e9, 0.5, name, loss + 1) for name, loss in START.items()]  # has no base
    for r in ratios:
        for D in tokens:
            for name in START:
                loss = START[name] + float(getattr(changes(r), name).at(D / 1e9))
                rows.append((f"r{r}", 1e9, D, r, name, loss + noise * rng.standard_normal()))
    frame = pd.DataFrame(rows, columns=["run_id", "N", "D", "r", "eval_set", "value"])
    return LossTable.from_frame(frame.assign(step=frame["D"]))


@pytest.mark.parametrize(
    ("noise", "eps", "ratios", "close"), [(0.0, 0.05, RATIOS, 0.01), (3e-4, 0.5, RATIOS[-2:], 0.02)]
)
def test_the_critical_ratio_of_known_changes_is_found(noise, eps, ratios, close):
    # First the tolerated rise limits the ratio, then the turn of the weighted loss.
    dense = [changes(r) for r in np.arange(0.05, 0.71, 0.001)]
    want = critical_mixture_ratio(dense, 20.0, eps=eps, lam=1.0)
    found = fit_critical_mixture(table(noise, ratios=ratios), 1e9, T_max=20e9, lam=1.0, eps=eps)
    assert found.ratio == pytest.approx(want, abs=close)
    assert found.feasible == tuple(r for r in ratios if r <= want)
    assert found.ratio_at(20e9) == found.ratio
    assert max(found.misses.values()) < max(5 * noise, 1e-4)


def test_critical_times_are_in_tokens_and_give_the_law():
    found = fit_critical_mixture(table(), 1e9, T_max=20e9, lam=1.0, eps=0.5)
    for r, time in found.times.items():
        truth = critical_time(changes(r).domain, changes(r).general, 1.0)
        assert time == pytest.approx(1e9 * truth, rel=1e-4)
    law = found.law()
    inside = [(T, r) for r, T in found.times.items() if 0 < T < np.inf]
    assert len(inside) >= 3
    np.testing.assert_allclose(law.at([T for T, _ in inside]), [r for _, r in inside], atol=law.miss + 1e-9)
    assert law.at(20e9) == pytest.approx(found.ratio, abs=0.03)


def test_runs_that_cannot_say_are_refused():
    ways = {"T_max": 20e9, "lam": 1.0}
    with pytest.raises(ConfigError, match="size 2B is not in the table"):
        fit_critical_mixture(table(), 2e9, **ways)
    with pytest.raises(ConfigError, match="general"):
        fit_critical_mixture(table(), 1e9, general="domain", **ways)
    with pytest.raises(ConfigError, match="T_max = 0"):
        fit_critical_mixture(table(), 1e9, T_max=0.0, lam=1.0)
    with pytest.raises(ConfigError, match="before"):
        fit_critical_mixture(table(), 1e8, **ways)
    with pytest.raises(DataError, match="1 ratios"):
        fit_critical_mixture(table(ratios=(0.3,)), 1e9, **ways)
    with pytest.raises(FitError, match=r"r = 0.1 has 3 numbers of tokens"):
        fit_critical_mixture(table(tokens=TOKENS[:3]), 1e9, **ways)


def test_pairs_that_make_no_law_are_refused():
    with pytest.raises(FitError, match="2 different D"):
        fit_critical_ratio([1e9, 2e9, 2e9], [0.1, 0.2, 0.2])
    with pytest.raises(DataError, match="between 0 and 1"):
        fit_critical_ratio([1e9, 2e9, 4e9], [10, 20, 30])
    with pytest.raises(DataError, match="positive number of tokens"):
        fit_critical_ratio([0.0, 2e9, 4e9], [0.1, 0.2, 0.3])
    # A logarithm lies between the branches: a power with an exponent next to 0.
    D = np.array([1e9, 3e9, 9e9, 27e9])
    law = fit_critical_ratio(D, [0.1, 0.2, 0.3, 0.4])
    np.testing.assert_allclose(law.at(D), [0.1, 0.2, 0.3, 0.4], atol=1e-4)
