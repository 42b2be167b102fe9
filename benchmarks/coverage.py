"""How often the intervals of the refits hold the truth, with noise that runs share.

    python -m benchmarks.coverage --replicates 200 --json

Every replicate draws a synthetic D-CPT sweep (3 sizes x 9 ratios x 20 checkpoints) whose log losses
carry an AR(1) of 0.9 along each run and an offset of each run, both 0.002, fits it, refits it to resampled
runs, and looks whether the interval of each prediction and parameter holds the truth.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import t

from benchmarks import measure
from benchmarks.points import fit_data, point_fit
from benchmarks.synthetic import DCPT, RATIOS, SIZES, dcpt_loss, dcpt_points
from dcpt.fit.bootstrap import resample
from dcpt.fit.profile import profile
from dcpt.fit.sandwich import sandwich_by_run

TRUTH = "narrow eps"
POINTS = {
    "410M, 10B, r 0.35": (410e6, 10e9, 0.35),
    "1.4B, 20B, r 0.5": (1.4e9, 20e9, 0.5),
    "70M, 5B, r 0.15": (70e6, 5e9, 0.15),
    "14B, 100B, r 0.3": (14e9, 100e9, 0.3),
}
"""Predictions inside the design and one 10 times its largest size with 5 times its tokens."""

EDGE = {"410M, 10B, r 0.1": (410e6, 10e9, 0.1)}
"""At the smallest share, where the prediction rests on one run of each size. A resample that lost all three
extrapolates the mixture term: the refits scatter about twice as far as fits to fresh data do."""


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Run the benchmark."""
    parser = measure.parser("coverage of the intervals of the refits")
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--level", type=float, default=0.95)
    parser.add_argument("--profiles", action="store_true", help="profile intervals too (seconds each)")
    options = parser.parse_args(argv)
    if options.data:
        parser.error("coverage needs a known truth: there is no --data here")
    replicates = 20 if options.quick else options.replicates
    points = {**POINTS, **EDGE}
    N, D, r = (np.array(column) for column in zip(*points.values(), strict=True))
    goal = dcpt_loss(N, D, r, DCPT[TRUTH])
    tail = (1 - options.level) / 2
    quantile = float(t.ppf(1 - tail, len(SIZES) * len(RATIOS[TRUTH]) - 1))
    inside: dict[str, list[bool]] = {name: [] for name in points}
    delta_method: dict[str, list[bool]] = {name: [] for name in points}
    held: dict[str, list[bool]] = {}
    profiled: dict[str, list[bool]] = {}
    previewed: dict[str, list[bool]] = {}
    converged = []

    def run() -> None:
        for replicate in range(replicates):
            data = fit_data(dcpt_points(options.seed + replicate, TRUTH, correlated=True))
            problem, solution = point_fit("d-cpt", data)
            draws = resample(problem, solution.u, options.draws, options.seed)
            converged.append(draws.converged)
            inputs = data.units.scale({"N": N, "D": D, "s": r}, {})
            means = problem.law.evaluate(draws.theta, inputs)
            lo, hi = np.quantile(means, [tail, 1 - tail], axis=0)
            middle, slope = problem.law.evaluate_with_jacobian(solution.theta, inputs)
            covariance = sandwich_by_run(problem, solution.u, hold_bounds=False).covariance
            spread = quantile * np.sqrt(np.einsum("np,pq,nq->n", slope, covariance, slope))
            for index, name in enumerate(points):
                inside[name].append(bool(lo[index] <= goal[index] <= hi[index]))
                delta_method[name].append(bool(abs(middle[index] - goal[index]) <= spread[index]))
            truth = dict(DCPT[TRUTH])
            truth["A"] *= data.units.N ** -truth["alpha"]
            truth["B"] *= data.units.D ** -truth["beta"]
            lo, hi = np.quantile(draws.theta, [tail, 1 - tail], axis=0)
            errors = sandwich_by_run(problem, solution.u).standard_errors
            curves = profile(problem, solution, level=options.level) if options.profiles else {}
            for index, name in enumerate(problem.law.names):
                held.setdefault(name, []).append(bool(lo[index] <= truth[name] <= hi[index]))
                off = abs(truth[name] - solution.theta[index])
                previewed.setdefault(name, []).append(bool(off <= quantile * errors[index]))
                if curves:
                    item = curves[name]
                    profiled.setdefault(name, []).append(bool(item.lo <= truth[name] <= item.hi))

    seconds, _ = measure.timed(run)
    shares = {name: float(np.mean(hits)) for name, hits in inside.items()}
    document = {
        "benchmark": "coverage",
        "replicates": replicates,
        "draws": options.draws,
        "level": options.level,
        "noise": "AR(1) 0.9 within runs + offset of each run, both 0.002",
        "predictions": {name: shares[name] for name in POINTS},
        "predictions_at_the_edge": {name: shares[name] for name in EDGE},
        "predictions_sandwich_preview": {name: float(np.mean(hits)) for name, hits in delta_method.items()},
        "parameters": {name: float(np.mean(hits)) for name, hits in held.items()},
        "parameters_sandwich_preview": {name: float(np.mean(hits)) for name, hits in previewed.items()},
        "parameters_profile": {name: float(np.mean(hits)) for name, hits in profiled.items()},
        "standard_error_of_a_share": float(np.sqrt(options.level * (1 - options.level) / replicates)),
        "refits_converged": float(np.mean(converged)),
        "seconds": seconds.wall,
        "cpu_seconds": seconds.cpu,
    }
    lines = [
        f"{name}: {100 * share:.1f} % of {replicates} intervals hold the truth"
        for name, share in shares.items()
    ]
    return measure.report(document, options.json, lines)


if __name__ == "__main__":
    measure.run(main)
