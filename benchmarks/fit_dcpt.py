"""Point fit of the D-CPT law L3 beside scipy's solvers.

    python -m benchmarks.fit_dcpt --data POINTS.csv --json

POINTS.csv has the columns N (parameters), D (tokens), r (domain share), loss (domain side) and, if
wanted, run; without it 3 sizes x 9 ratios x `--checkpoints` synthetic points are drawn.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize

from benchmarks import measure
from benchmarks.points import fit_data, point_fit, raw_parameters, read_points
from benchmarks.random_starts import run_random_starts
from benchmarks.synthetic import DCPT, dcpt_points
from dcpt.fit.objective import Problem


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Run the benchmark."""
    parser = measure.parser("D-CPT point fit beside scipy")
    parser.add_argument("--checkpoints", type=int, default=20, help="rows per run of the synthetic set")
    parser.add_argument("--truth", choices=sorted(DCPT), default="narrow eps")
    parser.add_argument("--random-starts", type=int, default=20, help="trust-region starts of the check")
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args(argv)
    if options.data:
        frame = read_points(options.data, ("N", "D", "r", "loss"))
    else:
        frame = dcpt_points(options.seed, options.truth, options.checkpoints)
    data = fit_data(frame)
    first, _ = measure.timed(lambda: point_fit("d-cpt", data))
    warm, (problem, solution) = measure.best_of(lambda: point_fit("d-cpt", data), options.repeats)
    check = run_random_starts(problem, 3 if options.quick else options.random_starts)
    seconds, value = _default_descent(problem)
    document = {
        "benchmark": "fit_dcpt",
        "rows": len(data),
        "truth": None if options.data else options.truth,
        "objective": solution.objective,
        "params": raw_parameters(problem, solution),
        "status": solution.status,
        "agree": solution.agree,
        "starts": solution.starts,
        "optima": solution.optima,
        "scaled_gradient": solution.gradient,
        "first_seconds": first.wall,
        "warm_seconds": warm.wall,
        "warm_cpu_seconds": warm.cpu,
        "random_bounded_trf": {
            "starts": check.starts,
            "seconds_per_start": check.per_start.wall,
            "cpu_seconds_per_start": check.per_start.cpu,
            "excess_of_our_objective": solution.objective / check.objective - 1,
            "share_at_best": check.share_at_best,
        },
        "one_default_l_bfgs_b": {
            "seconds": seconds.wall,
            "cpu_seconds": seconds.cpu,
            "objective_excess": value / solution.objective - 1,
        },
    }
    lines = [
        f"{len(data)} points: {1e3 * warm.wall:.1f} ms (first call {1e3 * first.wall:.0f} ms), "
        f"{solution.agree} of {solution.starts} starts agree, objective {solution.objective:.12g}",
        f"scipy TRF with bounds and our Jacobian: {1e3 * check.per_start.wall:.0f} ms per random start",
        f"one scipy L-BFGS-B start, default tolerances: {1e3 * seconds.wall:.0f} ms, "
        f"{100 * (value / solution.objective - 1):.1f} % above the optimum",
    ]
    return measure.report(document, options.json, lines)


def _default_descent(problem: Problem) -> tuple[measure.Seconds, float]:
    """One start of bounded L-BFGS-B with difference quotients, from the middle of a random box."""
    rng = np.random.default_rng(2)
    lower, upper = problem.space.box
    start = np.clip(rng.uniform(0.1, 1.0, len(lower)), lower, upper)
    bounds = list(zip(lower, upper, strict=True))
    seconds, result = measure.timed(
        lambda: minimize(lambda u: float(problem.objective(u)), start, method="L-BFGS-B", bounds=bounds)
    )
    return seconds, float(result.fun)


if __name__ == "__main__":
    measure.run(main)
