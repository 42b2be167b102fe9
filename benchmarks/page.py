"""The results of all benchmarks as a page of Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks import page_plans, page_runner


def page(results: Mapping[str, Any], quick: bool) -> str:
    """The whole page."""
    fits = {name: item for name, item in results.items() if item["benchmark"].startswith("fit_")}
    refits = {name: item for name, item in results.items() if item["benchmark"] == "refits"}
    sections = [_head(results, quick), *_point_fits(fits), *_recipe(results["chinchilla"])]
    sections += [*_refits(refits), "## Coverage\n"]
    for item in results.values():
        if item["benchmark"] == "coverage":
            sections += _coverage(item)
    curves = [item for item in results.values() if item["benchmark"].startswith("schedule")]
    if curves:
        sections += _curves(curves)
    if "annealing sums" in results:
        sections.append(_sums(results["annealing sums"]))
    mixed = [item for item in results.values() if item["benchmark"] == "mixtures"]
    sections += page_plans.mixtures(mixed) if mixed else []
    sections += page_plans.plans(results["plans"]) if "plans" in results else []
    sections += page_plans.next_runs(results)
    sections += page_runner.runner(results)
    return "\n".join(sections)


def _head(results: Mapping[str, Any], quick: bool) -> str:
    machine = results["chinchilla"]["machine"]
    loads = [item.get("machine", item)["load"][0] for item in results.values()]
    kind = "`make bench QUICK=1`, which samples the slow comparisons" if quick else "`make bench`"
    return (
        "# Measured\n\n"
        f"By {kind}: one thread, on {machine['cores']} cores ({machine['processor']})\n"
        f"that other programs shared (load {min(loads):.1f} to {max(loads):.1f}). "
        f"Python {machine['python']}, numpy {machine['numpy']}, scipy {machine['scipy']}.\n"
        "Seconds by the clock are the least of several repeats. CPU seconds are the process's own; ratios\n"
        "are taken of those. The truths, noise and seeds of the synthetic sets stand in `synthetic.py`,\n"
        "everything else of each run in `results.json`.\n\n"
        "Each is a command that prints one JSON line last; the first three run on any table of the same\n"
        "layout, or on a synthetic set without `--data`:\n\n"
        "    python -m benchmarks.fit_chinchilla --data POINTS.csv --json   # columns N, D, loss\n"
        "    python -m benchmarks.fit_dcpt --data POINTS.csv --json         # columns N, D, r, loss[, run]\n"
        "    python -m benchmarks.refits --law d-cpt --data POINTS.csv --json\n"
        "    python -m benchmarks.coverage --replicates 200 --json\n"
        "    python -m benchmarks.schedules --data FOLDER --json            # a CSV per schedule\n"
        "    python -m benchmarks.schedule_transfer --data FOLDER --json    # runs.csv, val_curves.csv\n"
        "    python -m benchmarks.annealing_sums --json\n"
        "    python -m benchmarks.mixtures --data FOLDER --json             # train_mixture*.csv, ...\n"
        "    python -m benchmarks.plan --json\n"
        "    python -m benchmarks.next_runs --data LOSSES.csv --draws 200 --json\n"
        "    python -m benchmarks.next_runs_promise --data LOSSES.csv --json\n"
        "    python -m benchmarks.next_runs_curves --data CURVES.csv --json\n"
        "    python -m benchmarks.sampler --json\n"
        "    python -m benchmarks.status --json\n"
        "    python -m benchmarks.cpu_sweep --json                          # on a quiet machine\n"
        "    python -m benchmarks.packing --json\n"
        "    python -m benchmarks.kill_sweep --kills 200 --json\n"
    )


def _point_fits(fits: Mapping[str, Any]) -> list[str]:
    rows = [
        "## Point fits\n",
        "Grid and all starts included. `TRF`: scipy's bounded trust-region solver with our Jacobian, from\n"
        "random starts; the excess is that of our objective over the best of them.\n",
        "| set | rows | clock | CPU | starts that agree | excess | TRF starts | one of them, CPU | memory |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, item in fits.items():
        check = item["random_bounded_trf"]
        cells = [
            name,
            item["rows"],
            f"{1e3 * item['warm_seconds']:.1f} ms",
            f"{1e3 * item['warm_cpu_seconds']:.1f} ms",
            f"{item['agree']} of {item['starts']}",
            f"{check['excess_of_our_objective']:+.0e}",
            check["starts"],
            f"{1e3 * check['cpu_seconds_per_start']:.0f} ms",
            f"{item['peak_memory_mb']:.0f} MB",
        ]
        rows.append(_row(cells))
    first = max(item["first_seconds"] for item in fits.values())
    rows.append(
        f"\nThe first call of a process also imports sympy and compiles the law: up to {first:.1f} s.\n"
    )
    return rows


def _recipe(item: Mapping[str, Any]) -> list[str]:
    grid = item["published_grid"]
    sampled = f", from a sample of {grid['starts_run']}" if grid["sampled"] else ""
    return [
        "## The published recipe beside it\n",
        f"scipy L-BFGS-B, default tolerances, difference quotients, {grid['starts_of_grid']} starts"
        f"{sampled}\n(`published_recipe.py`): {grid['cpu_seconds_for_all']:.1f} s of CPU, "
        f"**{item['speedup_vs_published_grid']:.0f} times** our fit of the same points.\n"
        f"Its best objective is {grid['objective_excess']:.1e} (relative) above ours; "
        f"{100 * grid['share_of_starts_at_optimum']:.1f} % of its starts end\n"
        "within 1e-6 of the optimum.\n",
    ]


def _refits(refits: Mapping[str, Any]) -> list[str]:
    rows = [
        "## Bootstrap refits\n",
        "Some of the refits are done by TRF from the point fit too; the excess is the largest of our\n"
        "objective over TRF's.\n",
        "| set | refits | clock | CPU | converged | excess | TRF, per refit | memory |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, item in refits.items():
        cells = [
            name,
            item["draws"],
            f"{item['seconds']:.2f} s",
            f"{item['cpu_seconds']:.2f} s",
            f"{100 * item['converged']:.2f} %",
            f"{item['largest_excess_over_trf']:+.0e}",
            f"{item['trf_milliseconds_per_refit']:.1f} ms",
            f"{item['peak_memory_mb']:.0f} MB",
        ]
        rows.append(_row(cells))
    return [*rows, ""]


def _coverage(item: Mapping[str, Any]) -> list[str]:
    names = list(item["parameters"])
    rows = [
        f"{item['replicates']} synthetic sweeps (3 sizes x 9 ratios x 20 checkpoints), {item['noise']};\n"
        f"{100 * item['level']:.0f} % intervals from {item['draws']} refits to resampled runs, "
        f"{100 * item['refits_converged']:.2f} % of them converged.\n"
        f"The standard error of a share is {100 * item['standard_error_of_a_share']:.1f} points. "
        f"{item['seconds']:.0f} s in all.\n",
        "| prediction | intervals that hold the truth |",
        "|---|---|",
    ]
    whole = {**item["predictions"], **item.get("predictions_at_the_edge", {})}
    rows += [_row([name, f"{100 * share:.1f} %"]) for name, share in whole.items()]
    rows += ["", _row(["parameter", *names]), "|---" * (len(names) + 1) + "|"]
    ways = {
        "refits": "parameters",
        "profile": "parameters_profile",
        "sandwich": "parameters_sandwich_preview",
    }
    for title, key in ways.items():
        if item[key]:
            rows.append(_row([title, *(f"{100 * item[key][name]:.0f} %" for name in names)]))
    return [*rows, ""]


def _curves(items: list[Mapping[str, Any]]) -> list[str]:
    rows = [
        "## Loss curves under schedules that were not fitted\n",
        "Multi-power sets (Luo et al. 2025, arXiv:2503.12811; 25M and 100M parameters): a cosine, a\n"
        "constant rate and a step down are fitted, six other schedules predicted; the authors' code\n"
        "reaches .00376 and .00435 (their README). 124M set (logs of Schaipp et al. 2025,\n"
        "arXiv:2501.18965): at each peak rate a constant rate and one WSD run are fitted, all others\n"
        "predicted. Seconds are those of one fit; of the 124M set the slowest of its fits.\n",
        "| data | law | curves predicted | mean absolute error, nats | a fit |",
        "|---|---|---|---|---|",
    ]
    for item in items:
        single = item["benchmark"] == "schedules"
        cells = [
            item["data"] if single else "lr_schedules_124m",
            _law(item),
            len(item["curves"]) if single else item["curves"],
            f"{item['test_mae' if single else 'val_mae']:.5f}",
            f"{item['fit_seconds']:.2f} s",
        ]
        rows.append(_row(cells))
    for item in items:
        if item.get("chosen_by", "named by --law") != "named by --law":
            name = item["data"] if item["benchmark"] == "schedules" else "lr_schedules_124m"
            rows.append(f"\n{name}, {_law(item)}: {item['chosen_by']}.")
    rows.append("")
    return rows


def _law(item: Mapping[str, Any]) -> str:
    return f"{item['law']} (--choose)" if item.get("choose") else str(item["law"])


def _sums(item: Mapping[str, Any]) -> str:
    return (
        f"Forward area, annealing area and compressed sources of a schedule of {item['steps']:,} steps: "
        f"{1e3 * item['seconds']:.0f} ms\nby the clock, {1e3 * item['cpu_seconds']:.0f} ms of CPU.\n"
    )


def _row(cells: list[Any]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"
