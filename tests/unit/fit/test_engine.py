"""The batched solver: it reaches what scipy's bounded trust-region method reaches, for laws of every kind."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from dcpt.core.errors import FitError
from dcpt.fit.batch import minimise
from dcpt.fit.bootstrap import few_runs, resample, run_weights, strata
from dcpt.fit.dataset import FitData, Units, unit_near
from dcpt.fit.objective import Problem, huber
from dcpt.fit.solve import LEAD, solve, solve_from
from dcpt.fit.space import free_space, read_params
from dcpt.fit.starts import start_grid
from dcpt.laws import get_law
from dcpt.laws.law import Law, linear, nonlinear

RATIOS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


class SignedShare(Law):
    """A law whose share term may have either sign."""

    name = "signed-share"
    formula = "E + G*s + A*N**-alpha"
    reference = "for tests"
    E = linear(0.0, 20.0, "irreducible loss")
    G = linear(-2.0, 2.0, "slope in the share")
    A = linear(0.0, 1e6, "loss of a model of one unit of size")
    alpha = nonlinear(1e-3, 3.0, "size exponent")


class LogChinchilla(Law):
    """The Chinchilla law in logarithms of its coefficients: nothing is linear."""

    name = "log-chinchilla"
    formula = "exp(e) + exp(a - alpha*log(N)) + exp(b - beta*log(D))"
    reference = "Hoffmann et al. 2022, arXiv:2203.15556, App. D.3"
    e = nonlinear(-3.0, 3.0, "log of the irreducible loss")
    a = nonlinear(-6.0, 6.0, "log of the size coefficient")
    b = nonlinear(-6.0, 6.0, "log of the token coefficient")
    alpha = nonlinear(1e-3, 3.0, "size exponent")
    beta = nonlinear(1e-3, 3.0, "token exponent")


def points(N, D, r, loss, runs=None) -> FitData:
    N, D, r, loss = (np.asarray(column, dtype=float) for column in (N, D, r, loss))
    groups = np.arange(len(loss)) if runs is None else np.asarray(runs)
    units = Units(unit_near(N), unit_near(D))
    return FitData("domain", "domain", "loss", "nats_per_token", N, D, r, r, loss, groups, units, {})


def chinchilla_set(seed=0, rows=240, noise=0.005) -> FitData:
    # A truth of the size of the published fits, on runs of 3e18 to 1e22 FLOPs.
    rng = np.random.default_rng(seed)
    ratio, flops = 10 ** rng.uniform(0.3, 2.7, rows), 10 ** rng.uniform(18.5, 22, rows)
    N = np.sqrt(flops / 6 / ratio)
    D = flops / 6 / N
    loss = 1.817 + 477.8 * N**-0.347 + 2143 * D**-0.367
    return points(N, D, np.full(rows, 0.5), loss * np.exp(noise * rng.standard_normal(rows)))


def dcpt_set(seed=0, nu=0.4, eps=0.03, ratios=RATIOS, checkpoints=20, noise=0.002) -> FitData:
    rng = np.random.default_rng(seed)
    N, r, D = np.meshgrid([7e7, 4.1e8, 1.4e9], ratios, np.linspace(1e9, 2e10, checkpoints), indexing="ij")
    tokens = np.where(r > 0, 55 * r**nu * D**-0.25, 0.0)
    loss = 0.85 + 260 * N**-0.3 + tokens + 0.22 * (r + eps) ** -0.35
    runs = np.repeat(np.arange(3 * len(ratios)), checkpoints)
    scatter = noise * rng.standard_normal(loss.size)
    return points(N.ravel(), D.ravel(), r.ravel(), loss.ravel() * np.exp(scatter), runs)


def problem_of(law, data, params=None) -> Problem:
    form = get_law(law) if isinstance(law, str) else law
    return Problem(form, data, free_space(form) if params is None else read_params(form, params))


def fit(problem):
    return solve(problem, start_grid(problem.law, problem.data, problem.space))


def random_trf(problem, count, seed=0):
    """Least objective of scipy's bounded trust-region solver from random starts."""
    rng = np.random.default_rng(seed)
    lower, upper = problem.space.box
    wide = np.exp(rng.uniform(np.log(1e-2), np.log(50), (count, len(lower))))
    narrow = rng.uniform(lower, np.minimum(upper, 3.0), (count, len(lower)))
    starts = np.clip(np.where(upper > 10, wide, narrow), lower, upper)
    return min(solve_from(problem, start)[1] for start in starts)


@pytest.mark.parametrize(
    ("law", "data", "starts"),
    [
        ("chinchilla", chinchilla_set(), 25),  # benchmarks.fit_chinchilla takes 200
        ("chinchilla", chinchilla_set(3, rows=40, noise=0.02), 12),
        ("d-cpt", dcpt_set(), 6),
        ("d-cpt", dcpt_set(nu=1.3, eps=0.1, ratios=(0, 0.1, 0.2, 0.33, 0.5, 0.66, 0.8, 0.9, 1)), 4),
    ],
    ids=["chinchilla", "chinchilla, few and noisy", "d-cpt", "d-cpt with r = 0 and 1"],
)
def test_no_random_bounded_start_beats_the_batch(law, data, starts):
    problem = problem_of(law, data)
    mine = fit(problem)
    assert mine.status in ("converged", "bound_hit")
    assert mine.agree == mine.starts
    assert mine.optima == 1
    assert mine.gradient < 1e-6
    assert mine.objective <= random_trf(problem, starts) * (1 + 1e-9)


def real_sets(shared):
    losses = shared / "losses"
    for name in ("cool_begin", "cool_end"):
        frame = pd.read_json(losses / "gemstones" / f"{name}.jsonl", lines=True)
        yield name, frame["params_active_precise"], frame["tokens"], frame["final_loss"]
    frame = pd.read_csv(losses / "overtrain_scaling" / "models_losses.csv").dropna()
    for name, part in list(frame.groupby(["dataset", "eval"]))[::4]:
        yield name, part["params_no_embed"], part["tokens"], part["loss"]
    frame = pd.read_csv(losses / "olmo_ladder" / "ladder_runs_selected.csv")
    sizes = {"190M": 190354176, "370M": 371262464, "760M": 758220288, "1B": 1279395840}
    frame["N"] = frame["run"].str.split("-").str[0].map(sizes)
    ends = frame.dropna().sort_values("tokens").groupby("run").tail(1)
    for name in ("c4_loss", "pile_loss"):
        yield name, ends["N"], ends["tokens"], ends[name]


def test_no_random_bounded_start_beats_the_batch_on_published_losses(shared):
    found = 0
    for name, N, D, loss in real_sets(shared):
        problem = problem_of("chinchilla", points(N, D, np.full(len(N), 0.5), loss))
        mine = fit(problem)
        assert mine.objective <= random_trf(problem, 4) * (1 + 1e-9), name
        assert mine.agree == mine.starts, name
        found += 1
    assert found >= 7


def test_the_fit_is_the_same_to_the_last_bit_twice_and_after_shuffling():
    data = dcpt_set(seed=4)
    one, two = fit(problem_of("d-cpt", data)), fit(problem_of("d-cpt", data))
    np.testing.assert_array_equal(one.u, two.u)
    mixed = fit(problem_of("d-cpt", data.take(np.random.default_rng(0).permutation(len(data)))))
    np.testing.assert_allclose(mixed.theta, one.theta, rtol=1e-9)
    assert mixed.objective == pytest.approx(one.objective, rel=1e-12)


def test_a_signed_coefficient_keeps_its_sign():
    rng = np.random.default_rng(0)
    N, r = (column.ravel() for column in np.meshgrid(np.geomspace(1e7, 1e9, 6), RATIOS))
    for slope in (-0.4, 0.3):
        loss = (2 + slope * r + 90 * N**-0.3) * np.exp(0.001 * rng.standard_normal(len(N)))
        problem = problem_of(SignedShare(), points(N, N * 20, r, loss))
        mine = fit(problem)
        assert mine.theta[1] == pytest.approx(slope, abs=0.02)
        assert mine.objective <= random_trf(problem, 6) * (1 + 1e-9)


def test_a_law_without_linear_parameters_reaches_the_same_optimum():
    data = chinchilla_set()
    plain, logs = fit(problem_of("chinchilla", data)), fit(problem_of(LogChinchilla(), data))
    assert logs.objective == pytest.approx(plain.objective, rel=1e-9)
    np.testing.assert_allclose(np.exp(logs.theta[:3]), plain.theta[:3], rtol=1e-4)


def test_tied_parameters_stay_tied_and_reach_the_optimum():
    law = get_law("chinchilla")
    params = law.lmfit_parameters()
    params["beta"].set(expr="alpha + 0.02")
    problem = problem_of(law, chinchilla_set(), params)
    mine = fit(problem)
    values = dict(zip(law.names, mine.theta, strict=True))
    assert values["beta"] == pytest.approx(values["alpha"] + 0.02, abs=1e-15)
    assert mine.objective <= random_trf(problem, 6) * (1 + 1e-9)
    assert mine.objective >= fit(problem_of(law, problem.data)).objective
    draws = resample(problem, mine.u, 40, 0)
    assert draws.converged == 1.0
    np.testing.assert_allclose(draws.theta[:, 4] - draws.theta[:, 3], 0.02, atol=1e-14)


def test_bounds_hold_and_walls_are_met_exactly():
    law = get_law("chinchilla")
    params = law.lmfit_parameters()
    params["alpha"].set(min=0.05, max=0.30)  # the data want 0.355
    problem = problem_of(law, chinchilla_set(), params)
    mine = fit(problem)
    assert mine.status == "bound_hit"
    assert mine.at_bound == ("alpha",)
    assert mine.theta[law.names.index("alpha")] == 0.30
    assert mine.objective <= random_trf(problem, 6) * (1 + 1e-9)
    lower, upper = problem.space.box
    theta = resample(problem, mine.u, 60, 0).theta
    assert ((theta >= lower) & (theta <= upper)).all()


@pytest.mark.parametrize(("law", "data"), [("chinchilla", chinchilla_set()), ("d-cpt", dcpt_set(seed=2))])
def test_refits_converge_to_what_the_trust_region_finds(law, data):
    problem = problem_of(law, data)
    mine = fit(problem)
    weights = run_weights(data, 300, 0)
    ends = minimise(
        problem.evaluator, np.tile(mine.u, (300, 1)), problem.space.box, (problem.delta,), weights
    )
    assert ends.converged.all()
    for index in range(0, 300, 25):
        assert ends.objective[index] <= solve_from(problem, mine.u, weights=weights[index])[1] * (1 + 1e-9)
    values = (huber(problem.residual(ends.u), problem.delta) * weights).sum(axis=1)
    np.testing.assert_allclose(ends.objective, values, rtol=1e-10)


def test_members_that_wait_for_a_slot_end_where_they_would_alone(monkeypatch):
    data = chinchilla_set(rows=60)
    problem = problem_of("chinchilla", data)
    mine = fit(problem)
    weights, starts = run_weights(data, 40, 1), np.tile(mine.u, (40, 1))
    together = minimise(problem.evaluator, starts, problem.space.box, (problem.delta,), weights)
    monkeypatch.setattr("dcpt.fit.batch.ELEMENTS", 3 * len(data))
    queued = minimise(problem.evaluator, starts, problem.space.box, (problem.delta,), weights)
    np.testing.assert_allclose(queued.u, together.u, rtol=1e-9)


def test_columns_are_the_derivatives_of_the_residuals():
    data = dcpt_set(ratios=(0.0, 0.3, 1.0), checkpoints=4)
    problem = problem_of("d-cpt", data)
    u = np.array(
        [[0.8, 0.5, 0.3, 0.2, 0.3, 0.4, 0.25, 0.03, 0.35], [0.1, 1.5, 0.9, 0.7, 1.3, 0.01, 0.6, 0.4, 2.0]]
    )
    columns = np.empty((9, 2, len(data)))
    residual, factor = problem.evaluator.columns(u, columns)
    jacobian = columns * factor.T[:, :, None]
    np.testing.assert_allclose(residual, problem.evaluator.residual(u), rtol=1e-13)
    np.testing.assert_allclose(
        residual, problem.residual(u)[:, problem.evaluator.order], rtol=1e-12, atol=1e-13
    )
    for index in range(9):
        step = 1e-6 * np.eye(9)[index]
        ahead, behind = problem.evaluator.residual(u + step), problem.evaluator.residual(u - step)
        np.testing.assert_allclose(jacobian[index], (ahead - behind) / 2e-6, rtol=1e-5, atol=1e-8)


def test_runs_are_drawn_within_sizes_and_lone_sizes_together():
    every = chinchilla_set(rows=30)  # each run has a size of its own: points are resampled
    assert [len(runs) for runs in strata(every)] == [30]
    weights = run_weights(every, 20, 0)
    np.testing.assert_allclose(weights.sum(axis=1), 30)
    assert (weights.min(axis=1) > 0).all()  # a run that was not drawn counts less, but counts
    many = run_weights(every, 4000, 0)
    np.testing.assert_allclose(many.var(axis=0).mean(), few_runs(29) ** 2, rtol=0.02)
    few = points([1e7, 1e7, 3e7, 1e8], np.full(4, 1e9), np.full(4, 0.5), np.full(4, 2.0))
    assert sorted(len(runs) for runs in strata(few)) == [1, 1, 2]
    np.testing.assert_array_equal(run_weights(few, 20, 0)[:, 2:], 1.0)


def test_what_no_start_can_evaluate_is_refused():
    data = chinchilla_set(rows=30)
    problem = problem_of("chinchilla", data)
    with pytest.raises(FitError, match="no start gives a finite objective"):
        solve(problem, np.full((2, 5), np.nan))


def test_many_rows_are_led_by_a_part_of_them_to_the_same_optimum(monkeypatch):
    data = chinchilla_set(rows=3000)
    whole = fit(problem_of("chinchilla", data))
    monkeypatch.setattr("dcpt.fit.solve.MANY_ROWS", 1000)
    monkeypatch.setattr("dcpt.fit.solve.LEADING_ROWS", 300)
    led = fit(problem_of("chinchilla", data))
    np.testing.assert_allclose(led.theta, whole.theta, rtol=1e-7)
    assert led.objective == pytest.approx(whole.objective, rel=1e-12)
    assert (led.status, led.agree, led.starts) == ("converged", led.starts, whole.starts)


def test_the_last_threshold_is_the_problems_own():
    assert LEAD[-1] == 1.0
    assert all(one > two for one, two in itertools.pairwise(LEAD))
