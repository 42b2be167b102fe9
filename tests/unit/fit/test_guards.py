"""Every guard: data that set it off, and data that do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dcpt.core.errors import ConfigError, FitError
from dcpt.core.loss_table import LossTable
from dcpt.fit.annealing import annealing_doubts, table_annealing
from dcpt.fit.bootstrap import Draws, resample
from dcpt.fit.curvature import curvature
from dcpt.fit.dataset import prepare
from dcpt.fit.design import check_design, design_doubts
from dcpt.fit.diagnose import delta_doubts, diagnose
from dcpt.fit.holdout import point_fit
from dcpt.fit.reach import far_targets
from dcpt.fit.sensitivity import DeltaSweep, delta_sweep
from dcpt.fit.space import free_space, read_params
from dcpt.laws import get_law

NONE = Draws(np.empty((0, 9)), np.empty(0, dtype=np.int64), 1.0)


def rows(table):
    return prepare(table, "domain")[0]


def fitted(data, law="d-cpt"):
    form = get_law(law)
    return point_fit(form, data, free_space(form), 1e-3)


def doubts(data, law="d-cpt", draws=NONE):
    problem, solution = fitted(data, law)
    return {item.kind: item for item in diagnose(problem, solution, draws)}


@pytest.fixture(scope="module")
def good(make):
    """Rows of the truth with a little noise: 20 runs of 4 sizes and 5 ratios."""
    return rows(make(noise=0.002, run_noise=0.001))


def test_good_data_set_off_no_guard_but_correlation(good):
    # The five terms of the D-CPT law are correlated in every design of this kind, and its free form
    # is not monotone near the largest shares.
    assert set(doubts(good)) <= {"correlated", "monotone"}


def test_condition_and_rank(make, good):
    problem, solution = fitted(good)
    found = curvature(problem, solution)
    assert found.full_rank
    assert found.rank == 9
    assert 1e2 < found.condition < 1e4
    jacobian = problem.residual_and_jacobian(solution.u)[1]
    scaled = jacobian / np.linalg.norm(jacobian, axis=0)
    assert found.condition == pytest.approx(np.linalg.cond(scaled), rel=1e-6)
    names, spread = problem.space.free_names, np.linalg.inv(scaled.T @ scaled)
    one, two, value = found.pairs(0.9)[0]
    i, j = names.index(one), names.index(two)
    assert value == pytest.approx(spread[i, j] / np.sqrt(spread[i, i] * spread[j, j]), rel=1e-4)
    lame = fitted(rows(make(noise=0.002, sizes=(1e6, 3e6))))
    assert not curvature(*lame).full_rank
    assert curvature(*lame).condition == np.inf
    found = doubts(rows(make(noise=0.002, sizes=(1e6, 3e6))))
    assert "rank" in found
    assert {"A", "alpha"} <= set(found["rank"].parameters)


def test_narrow_ratios(make, good):
    law = get_law("d-cpt")
    narrow = rows(make(noise=0.002, ratios=(0.3, 0.4, 0.5, 0.6, 0.7)))
    kinds = [item.kind for item in design_doubts(law, narrow, free_space(law))]
    assert kinds == ["narrow_ratios"]
    assert not list(design_doubts(law, good, free_space(law)))
    params = law.lmfit_parameters()
    params["eps"].set(value=0.1, vary=False)
    assert not list(design_doubts(law, narrow, read_params(law, params)))


@pytest.mark.parametrize("multiples", [(20.0,), (18.0, 24.0)])
def test_one_number_of_tokens_per_parameter(make, good, multiples):
    law = get_law("chinchilla")
    parts = [
        make(noise=0.001, sizes=(size,), tokens=tuple(size * item for item in multiples), law="chinchilla")
        for size in (1e5, 3e5, 1e6, 3e6, 1e7)
    ]
    table = LossTable.from_frame(pd.concat([part.frame for part in parts], ignore_index=True))
    found = list(design_doubts(law, rows(table), free_space(law)))
    assert "tokens_per_parameter" in {item.kind for item in found}
    assert any("tokens per parameter" in item.message for item in found)
    assert "tokens_per_parameter" not in {item.kind for item in design_doubts(law, good, free_space(law))}


def test_few_runs_and_sizes(make):
    law = get_law("chinchilla")
    found = list(design_doubts(law, rows(make(sizes=(1e6, 2e6), ratios=(0.3, 0.6))), free_space(law)))
    assert [item.kind for item in found] == ["few_sizes", "few_runs"]
    assert "wanted 3 or more" in found[0].message
    assert "4 independent runs (wanted 10" in found[1].message
    single = list(design_doubts(law, rows(make(ratios=(0.3,))), free_space(law)))
    assert any("Sizes 100k, 300k, 1M, 3M have one run" in item.message for item in single)


def test_missing_inputs_are_the_caller_s_mistake(good):
    law = get_law("d-cpt")
    blind = replace(good, r=np.full(len(good), np.nan), s=np.full(len(good), np.nan))
    with pytest.raises(ConfigError, match="needs ratio") as caught:
        check_design(law, blind, free_space(law))
    assert "--map r=" in caught.value.hint
    check_design(get_law("chinchilla"), blind, free_space(get_law("chinchilla")))
    with pytest.raises(FitError, match="one ratio only"):
        check_design(law, good.take(good.r == 0.5), free_space(law))


def test_a_floor_at_the_data(make, good):
    assert "irreducible" not in doubts(good, "chinchilla")
    rng = np.random.default_rng(0)
    flat = replace(good, loss=2.0 * np.exp(0.01 * rng.standard_normal(len(good))))
    assert doubts(flat, "chinchilla")["irreducible"].parameters == ("E",)


def test_outliers_are_listed(good):
    spoilt = good.loss.copy()
    spoilt[7] *= 1.08
    found = doubts(replace(good, loss=spoilt))["outliers"].message
    assert found.startswith("1 of 80 losses")
    assert f"r = {good.r[7]:g} (+" in found
    assert "N = 100k" in found


def test_the_threshold_matters_when_the_answer_moves_with_it(good):
    problem, solution = fitted(good)
    draws = resample(problem, solution.u, 40, 0)
    sweep = delta_sweep(problem, solution)
    assert not list(delta_doubts(problem, solution, draws, sweep))
    away = sweep.theta.copy()
    away[-1, problem.law.names.index("E")] += 0.3
    moved = DeltaSweep(sweep.deltas, away, sweep.objective, sweep.converged)
    (found,) = delta_doubts(problem, solution, draws, moved)
    assert found.kind == "delta"
    assert "threshold is 0.01 instead of 0.001" in found.message
    lost = DeltaSweep(sweep.deltas, away, sweep.objective, np.array([True, True, True, False]))
    assert not list(delta_doubts(problem, solution, draws, lost))


def test_more_than_noise_explains(make, good):
    def twice(law):
        one, two = (make(noise=0.002, seed=seed, law=law).frame.assign(seed=seed) for seed in (0, 1))
        frame = pd.concat([one, two], ignore_index=True)
        names = frame["run_id"] + "-s" + frame["seed"].astype(str)
        return rows(LossTable.from_frame(frame.assign(run_id=names)))

    assert "lack_of_fit" in doubts(twice("d-cpt"), "chinchilla")  # blind to the mixture
    assert "lack_of_fit" not in doubts(twice("chinchilla"), "chinchilla")
    assert "lack_of_fit" not in doubts(good, "chinchilla")  # nothing is repeated


def with_eta(data, eta):
    return replace(data, extra={**data.extra, "eta": np.asarray(eta, dtype=float)})


def test_rates_that_show_the_middle_of_a_schedule(good):
    # One cosine run per ratio, read at four points: only the last is the end of a schedule.
    cosine = 1e-3 * (0.5 + 0.5 * np.cos(np.pi * good.D / good.D.max()))
    (found,) = annealing_doubts(with_eta(good, cosine))
    assert found.kind == "unannealed"
    assert "At 60 of 80 rows" in found.message
    (steady,) = annealing_doubts(with_eta(good, np.full(len(good), 3e-4)))
    assert "In 20 runs" in steady.message
    # Decays to nothing, and decays over a share of the run, whose last step's rate falls as 1 / D.
    assert not list(annealing_doubts(with_eta(good, np.zeros(len(good)))))
    assert not list(annealing_doubts(with_eta(good, 1e-3 * 4e3 / good.D)))
    assert not list(annealing_doubts(good))


def test_rates_against_the_peak_in_the_other_rows(make):
    ends = make(noise=0.001).frame
    trunk = ends.assign(phase="trunk", eta=1e-3, step=ends["D"] / 2048, run_id=ends["run_id"] + "-trunk")
    annealed = LossTable.from_frame(pd.concat([trunk, ends.assign(eta=2e-5)], ignore_index=True))
    assert not list(table_annealing(annealed, "domain"))
    high = LossTable.from_frame(pd.concat([trunk, ends.assign(eta=4e-4)], ignore_index=True))
    (found,) = table_annealing(high, "domain")
    assert "At 80 of 80 rows" in found.message
    # Without other rows the mean rate S1 / step is the least the peak can have been.
    steps = ends["D"] / 2048
    alone = ends.assign(eta=9e-4, step=steps, S1=1e-3 * steps)
    assert len(list(table_annealing(LossTable.from_frame(alone), "domain"))) == 1
    assert not list(table_annealing(LossTable.from_frame(alone.assign(eta=1e-5)), "domain"))
    assert not list(table_annealing(make(), "domain"))  # no rates at all


def test_far_targets(good):
    ranges = {"N": (1e5, 3e6), "D": (2e5, 6e6)}
    assert not list(far_targets(ranges, [1e6, 3e7], 6e7))
    found = list(far_targets(ranges, [1e6, 7e9], [1e6, 1e8]))
    assert [item.kind for item in found] == ["far_target", "far_target"]
    assert "7B is 2.33e+03 times outside" in found[0].message
    assert "17" not in found[0].message
    below = list(far_targets(ranges, 1e6, 1e4))
    assert "20 times outside" in below[0].message


def test_parameters_on_a_bound_and_pairs_that_cannot_be_told_apart(make, good):
    found = doubts(rows(make(noise=0.002, law="chinchilla")))  # a truth without a mixture term
    assert found["bound_hit"].parameters[0] in ("C", "B", "eps", "gamma", "nu", "E")
    assert "sits on its" in found["bound_hit"].message
    assert "bound_hit" not in doubts(good)
    assert "correlated" in doubts(good)
    problem, solution = fitted(good)
    pairs = {item.parameters for item in diagnose(problem, solution, NONE) if item.kind == "correlated"}
    assert ("A", "alpha") in pairs
    assert ("alpha", "beta") not in pairs
