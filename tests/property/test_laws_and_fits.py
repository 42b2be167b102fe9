"""Facts about laws and fits that hold for every draw."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from dcpt.core.loss_table import LossTable
from dcpt.fit import fit_law
from dcpt.fit.objective import huber
from dcpt.laws import get_law

positive = st.floats(0.1, 2.0)
exponent = st.floats(0.1, 1.5)
share = st.floats(0.05, 1.0)
LAW = get_law("d-cpt")


@st.composite
def parameters(draw):
    kinds = {"linear": positive, "nonlinear": exponent}
    values = [draw(kinds[item.kind]) for item in LAW.parameters]
    values[LAW.names.index("eps")] = draw(st.floats(0.01, 0.5))
    return np.array(values)


@given(parameters(), share, st.floats(0.01, 100), st.floats(0.01, 100))
def test_dcpt_at_a_fixed_ratio_is_a_chinchilla_law(theta, s, N, D):
    # Que et al. 2024, Sec. 4.1, consistency: E0 = E + C / (s + eps)^gamma and B0 = B s^nu.
    p = dict(zip(LAW.names, theta, strict=True))
    chinchilla = get_law("chinchilla")
    values = dict(
        E=p["E"] + p["C"] / (s + p["eps"]) ** p["gamma"],
        A=p["A"],
        B=p["B"] * s ** p["nu"],
        alpha=p["alpha"],
        beta=p["beta"],
    )
    inputs = {"N": N, "D": D, "s": s}
    got = chinchilla.evaluate([values[name] for name in chinchilla.names], inputs)
    np.testing.assert_allclose(LAW.evaluate(theta, inputs), got, rtol=1e-12)


@given(parameters(), share, st.floats(0.01, 100), st.floats(0.01, 100), st.floats(1.01, 3))
def test_dcpt_falls_with_size_and_tokens_and_learns_faster_with_more_own_text(theta, s, N, D, factor):
    def loss(N, D, s):
        return float(LAW.evaluate(theta, {"N": N, "D": D, "s": s})[0])

    assert loss(N * factor, D, s) < loss(N, D, s)
    assert loss(N, D * factor, s) < loss(N, D, s)
    gain = loss(N, D, s) - loss(N, D * factor, s)
    less = loss(N, D, s / 2) - loss(N, D * factor, s / 2)
    assert less <= gain + 1e-12


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=20), st.floats(1e-4, 1.0))
def test_huber_lies_under_the_parabola_and_is_even(residuals, delta):
    r = np.array(residuals)
    value = huber(r, delta)
    assert (value <= 0.5 * r**2 + 1e-15).all()
    np.testing.assert_array_equal(value, huber(-r, delta))
    assert (np.diff(huber(np.sort(np.abs(r)), delta)) >= 0).all()


@settings(max_examples=8)
@given(st.sampled_from([1e-3, 1e3, 1e6, 37.0]), st.sampled_from([1e-3, 1e3, 1e6, 0.2]))
def test_predictions_do_not_depend_on_how_size_and_tokens_are_counted(n_scale, d_scale):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        [(n, d, 0.5, "domain") for n in (1e7, 3e7, 1e8) for d in (1e8, 3e8, 1e9)],
        columns=["N", "D", "r", "eval_set"],
    )
    frame["value"] = (1.5 + 50 * frame["N"] ** -0.3 + 90 * frame["D"] ** -0.25) * np.exp(
        0.002 * rng.standard_normal(len(frame))
    )
    other = frame.assign(N=frame["N"] * n_scale, D=frame["D"] * d_scale)
    options = {"bootstrap": 0, "holdouts": False}
    one = fit_law("chinchilla", LossTable.from_frame(frame), "domain", **options)
    two = fit_law("chinchilla", LossTable.from_frame(other), "domain", **options)
    np.testing.assert_allclose(
        one.mean(frame["N"], frame["D"], 0.5), two.mean(other["N"], other["D"], 0.5), rtol=1e-5
    )
