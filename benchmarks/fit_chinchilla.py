"""Point fit of the Chinchilla law beside the published recipe.

    python -m benchmarks.fit_chinchilla --data POINTS.csv --json

POINTS.csv has the columns N (parameters), D (tokens) and loss; without it 240 synthetic points are
drawn. The last line is one JSON document.
"""

from __future__ import annotations

from typing import Any

from benchmarks import measure
from benchmarks.points import fit_data, point_fit, raw_parameters, read_points
from benchmarks.published_recipe import GRID, run_recipe
from benchmarks.random_starts import run_random_starts
from benchmarks.synthetic import chinchilla_points
from dcpt.laws.law import HUBER_DELTA


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Run the benchmark."""
    parser = measure.parser("Chinchilla point fit beside the published recipe")
    parser.add_argument("--starts", type=int, default=len(GRID), help="starts of the published recipe")
    parser.add_argument("--random-starts", type=int, default=200, help="trust-region starts of the check")
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args(argv)
    wanted = ("N", "D", "loss")
    frame = read_points(options.data, wanted) if options.data else chinchilla_points(options.seed)
    data = fit_data(frame[list(wanted)])
    first, _ = measure.timed(lambda: point_fit("chinchilla", data))
    warm, (problem, solution) = measure.best_of(lambda: point_fit("chinchilla", data), options.repeats)
    check = run_random_starts(problem, 50 if options.quick else options.random_starts)
    starts = 90 if options.quick else options.starts
    recipe = run_recipe(data.N, data.D, data.loss, starts, HUBER_DELTA)
    # Once more beside the slow recipe: the machine may have changed meanwhile.
    again, _ = measure.best_of(lambda: point_fit("chinchilla", data), options.repeats)
    warm = measure.Seconds(min(warm.wall, again.wall), min(warm.cpu, again.cpu))
    speedup = recipe.for_all.cpu / warm.cpu
    at_optimum = float((recipe.objectives <= solution.objective * (1 + 1e-6)).mean())
    document = {
        "benchmark": "fit_chinchilla",
        "rows": len(data),
        "objective": solution.objective,
        "params": raw_parameters(problem, solution),
        "status": solution.status,
        "agree": solution.agree,
        "starts": solution.starts,
        "scaled_gradient": solution.gradient,
        "first_seconds": first.wall,
        "warm_seconds": warm.wall,
        "warm_cpu_seconds": warm.cpu,
        "speedup_vs_published_grid": speedup,
        "published_grid": {
            "starts_run": recipe.starts,
            "starts_of_grid": recipe.of,
            "sampled": recipe.starts < recipe.of,
            "seconds_for_all": recipe.for_all.wall,
            "cpu_seconds_for_all": recipe.for_all.cpu,
            "objective_excess": recipe.objective / solution.objective - 1,
            "share_of_starts_at_optimum": at_optimum,
        },
        "random_bounded_trf": {
            "starts": check.starts,
            "excess_of_our_objective": solution.objective / check.objective - 1,
            "share_at_best": check.share_at_best,
            "seconds_per_start": check.per_start.wall,
            "cpu_seconds_per_start": check.per_start.cpu,
        },
    }
    sampled = f" (from a sample of {recipe.starts})" if recipe.starts < recipe.of else ""
    lines = [
        f"{len(data)} points: {1e3 * warm.wall:.1f} ms (first call {1e3 * first.wall:.0f} ms), objective "
        f"{solution.objective:.12g}, {solution.agree} of {solution.starts} starts agree",
        f"published recipe: {recipe.for_all.wall:.1f} s for {recipe.of} starts{sampled}, "
        f"{100 * at_optimum:.1f} % of them at the optimum; {speedup:.0f} times the CPU seconds",
        f"best of {check.starts} random bounded trust-region starts: ours is higher by "
        f"{solution.objective / check.objective - 1:.1e} (relative)",
    ]
    return measure.report(document, options.json, lines)


if __name__ == "__main__":
    measure.run(main)
