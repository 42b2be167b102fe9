"""Profiles, the instant preview, the sweep of thresholds, and the scatter between seeds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dcpt.core.errors import ConfigError
from dcpt.core.loss_table import LossTable
from dcpt.fit.bootstrap import resample
from dcpt.fit.dataset import prepare
from dcpt.fit.noise import seed_noise
from dcpt.fit.objective import Problem
from dcpt.fit.profile import profile
from dcpt.fit.sandwich import sandwich_by_run
from dcpt.fit.sensitivity import DELTAS, delta_sweep
from dcpt.fit.solve import solve, solve_from
from dcpt.fit.space import free_space, read_params
from dcpt.fit.starts import start_grid
from dcpt.laws import get_law

TOKENS = tuple(np.geomspace(0.2e6, 6e6, 8))


@pytest.fixture(scope="module")
def fitted(make):
    law = get_law("chinchilla")
    data, _ = prepare(make(noise=0.003, law="chinchilla", tokens=TOKENS), "domain")
    problem = Problem(law, data, free_space(law))
    return problem, solve(problem, start_grid(law, data, problem.space))


def test_a_profile_is_the_best_objective_with_one_parameter_held(fitted):
    problem, solution = fitted
    curves = profile(problem, solution, ("alpha", "E"), points=9)
    assert tuple(curves) == ("alpha", "E")
    item = curves["alpha"]
    assert item.converged
    assert item.objective.min() == pytest.approx(solution.objective, rel=1e-9)
    assert (item.objective >= solution.objective * (1 - 1e-12)).all()
    law = problem.law
    for value, objective in list(zip(item.values, item.objective, strict=True))[::3]:
        params = law.lmfit_parameters()
        params["alpha"].set(value=value, vary=False)
        held = Problem(law, problem.data, read_params(law, params))
        start = np.delete(solution.u, law.names.index("alpha"))
        assert objective == pytest.approx(solve_from(held, start)[1], rel=1e-7)


def test_profile_intervals_agree_with_the_refits_where_the_law_is_nearly_straight(fitted):
    problem, solution = fitted
    draws = resample(problem, solution.u, 400, 0).theta
    for index, (name, item) in enumerate(profile(problem, solution).items()):
        lo, hi = np.quantile(draws[:, index], [0.025, 0.975])
        assert item.lo < solution.theta[index] < item.hi, name
        assert 0.6 < (item.hi - item.lo) / (hi - lo) < 1.7, name


def test_a_profile_says_when_it_ends_at_a_bound(make):
    law = get_law("d-cpt")
    data, _ = prepare(make(noise=0.004, ratios=(0.4, 0.5, 0.6)), "domain")
    problem = Problem(law, data, free_space(law))
    solution = solve(problem, start_grid(law, data, problem.space))
    item = profile(problem, solution, ("gamma",), points=11)["gamma"]
    lower, upper = law.lower[-1], law.upper[-1]
    assert item.open_lo or item.open_hi  # a third of the share axis does not identify its exponent
    assert item.lo >= lower
    assert item.hi <= upper


def test_bad_profiles_are_refused(fitted):
    problem, solution = fitted
    for options, message in (
        (dict(names=("gamma",)), "'gamma' is not a free parameter"),
        (dict(points=3), "wanted 5 or more"),
        (dict(level=1.0), "0 < level < 1"),
    ):
        with pytest.raises(ConfigError, match=message):
            profile(problem, solution, **options)


def test_the_sandwich_previews_the_spread_of_the_refits(fitted):
    problem, solution = fitted
    errors = sandwich_by_run(problem, solution.u).standard_errors
    spread = resample(problem, solution.u, 400, 0).theta.std(axis=0)
    assert (errors / spread > 0.6).all()
    assert (errors / spread < 1.6).all()


def test_the_sandwich_gives_no_spread_to_a_parameter_on_its_bound(make):
    law = get_law("chinchilla")
    params = law.lmfit_parameters()
    params["alpha"].set(max=0.2)
    data, _ = prepare(make(noise=0.003, law="chinchilla"), "domain")
    problem = Problem(law, data, read_params(law, params))
    solution = solve(problem, start_grid(law, data, problem.space))
    assert solution.at_bound == ("alpha",)
    errors = sandwich_by_run(problem, solution.u).standard_errors
    assert errors[law.names.index("alpha")] == 0
    assert (errors[:3] > 0).all()


def test_a_sweep_of_thresholds_is_a_fit_at_each(fitted):
    problem, solution = fitted
    sweep = delta_sweep(problem, solution)
    assert sweep.deltas == DELTAS
    assert sweep.converged.all()
    at = sweep.deltas.index(problem.delta)
    np.testing.assert_allclose(sweep.theta[at], solution.theta, rtol=1e-6)
    for delta, objective in zip(sweep.deltas, sweep.objective, strict=True):
        own = Problem(problem.law, problem.data, problem.space, delta)
        assert objective == pytest.approx(
            solve(own, start_grid(own.law, own.data, own.space)).objective, rel=1e-9
        )
    with pytest.raises(ConfigError, match="wanted thresholds above 0"):
        delta_sweep(problem, solution, (1e-3, 0.0))


def repeated(seeds=4, sigma=0.004, seed=0):
    rng = np.random.default_rng(seed)
    rows = [
        (n, d, r, k, 2.5 * np.exp(sigma * rng.standard_normal()))
        for n in (1e6, 3e6, 1e7)
        for r in (0.2, 0.5, 0.8)
        for d in (1e8, 1e9)
        for k in range(seeds)
    ]
    frame = pd.DataFrame(rows, columns=["N", "D", "r", "seed", "value"])
    frame["run_id"] = [
        f"n{n:g}-r{r:g}-d{d:g}-s{k}" for n, d, r, k in frame[["N", "D", "r", "seed"]].to_numpy()
    ]
    return LossTable.from_frame(frame.assign(eval_set="domain"))


def test_seed_noise_is_the_pooled_scatter_of_repeated_designs():
    noise = seed_noise(prepare(repeated(), "domain")[0])
    assert noise is not None
    assert (noise.freedom, noise.designs, noise.role) == (18 * 3, 18, "domain")
    lo, hi = noise.interval(0.99)
    assert lo < 0.004 < hi
    assert lo < noise.sigma < hi
    with pytest.raises(ConfigError, match="level"):
        noise.interval(99)


def test_seed_noise_covers_the_truth_as_often_as_it_says():
    held, rng = 0, np.random.default_rng(0)
    data, _ = prepare(repeated(seeds=2), "domain")
    for _ in range(40):
        loss = 2.5 * np.exp(0.004 * rng.standard_normal(len(data)))
        noise = seed_noise(replace(data, loss=loss))
        lo, hi = noise.interval(0.9)
        held += lo <= 0.004 <= hi
    assert 31 <= held <= 40  # 36 expected, standard deviation 1.9


def test_without_repeats_there_is_no_seed_noise(make):
    assert seed_noise(prepare(make(noise=0.01), "domain")[0]) is None
