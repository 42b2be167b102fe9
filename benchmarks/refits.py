"""Bootstrap refits of a fitted law.

    python -m benchmarks.refits --law d-cpt --data POINTS.csv --draws 1000 --json

Columns as in `benchmarks.fit_chinchilla` and `benchmarks.fit_dcpt`; runs are resampled, so rows of a
`run` stay together, and without that column each row is its own run.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks import measure
from benchmarks.points import fit_data, point_fit, read_points
from benchmarks.synthetic import chinchilla_points, dcpt_points
from dcpt.fit.bootstrap import refit, run_weights
from dcpt.fit.solve import solve_from
from dcpt.fit.threads import one_thread


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Run the benchmark."""
    parser = measure.parser("bootstrap refits")
    parser.add_argument("--law", choices=("chinchilla", "d-cpt"), default="d-cpt")
    parser.add_argument("--draws", type=int, help="refits; 4,000 for chinchilla and 1,000 for d-cpt")
    parser.add_argument("--checkpoints", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--control", type=int, default=20, help="refits also done by scipy TRF")
    options = parser.parse_args(argv)
    wanted = ("N", "D", "loss") if options.law == "chinchilla" else ("N", "D", "r", "loss")
    draws = options.draws or (4000 if options.law == "chinchilla" else 1000)
    if options.data:
        frame = read_points(options.data, wanted)
    elif options.law == "chinchilla":
        frame = chinchilla_points(options.seed)
    else:
        frame = dcpt_points(options.seed, checkpoints=options.checkpoints, correlated=True)
    problem, solution = point_fit(options.law, fit_data(frame))
    weights = run_weights(problem.data, draws, options.seed)
    with one_thread():
        repeats = 1 if options.quick else options.repeats
        seconds, ends = measure.best_of(lambda: refit(problem, solution.u, weights), repeats)
        sample = np.linspace(0, draws - 1, min(options.control, draws)).astype(int)
        each, slow = measure.timed(
            lambda: [solve_from(problem, solution.u, weights=weights[i])[1] for i in sample]
        )
    excess = ends.objective[sample] / np.array(slow) - 1
    document = {
        "benchmark": "refits",
        "law": options.law,
        "rows": len(problem.data),
        "runs": len(np.unique(problem.data.groups)),
        "draws": draws,
        "seconds": seconds.wall,
        "cpu_seconds": seconds.cpu,
        "milliseconds_per_refit": 1e3 * seconds.wall / draws,
        "converged": float(ends.converged.mean()),
        "steps_mean": float(ends.steps.mean()),
        "trf_milliseconds_per_refit": 1e3 * each.wall / len(sample),
        "largest_excess_over_trf": float(excess.max()),
    }
    lines = [
        f"{options.law}, {len(problem.data)} points: {draws} refits in {seconds.wall:.2f} s, "
        f"{100 * ends.converged.mean():.2f} % converged, {ends.steps.mean():.1f} steps each",
        f"scipy TRF from the point fit: {1e3 * each.wall / len(sample):.1f} ms per refit; over {len(sample)} "
        f"of them our objective is higher by at most {excess.max():.1e} (relative)",
    ]
    return measure.report(document, options.json, lines)


if __name__ == "__main__":
    measure.run(main)
