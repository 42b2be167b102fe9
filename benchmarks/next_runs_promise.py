"""Widths that are promised before runs are bought, against the intervals that refits with them have.

    python -m benchmarks.next_runs_promise --data experiments/law_cpu --json

Worlds, prices and starting designs are those of `benchmarks.next_runs`. From each starting design batches
are bought as advised, and after each the laws are refitted: what the advice expected of the width of r*'s
interval stands against what the refit says. Both are a user's own, law's error included. Printed are the
geometric mean of promised over found, the root mean square of its logarithm, and the share within 30 %, by
the number of runs that the promise was made from.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from benchmarks import measure
from benchmarks.next_runs import BATCH, BATCH_SHARE, SHRINKS, laws_of
from benchmarks.next_runs_world import Bought, World, fits_of, lot_of, offers, read_world, starting
from dcpt.plan.next_runs.advise import advise
from dcpt.plan.next_runs.belief import believe
from dcpt.plan.next_runs.stopping import StoppingRule

MANY = 18
"""Runs from which a promise is counted as one from many."""

CLOSE = 0.3
"""Relative error that is close."""


def promises(
    world: World, start: Bought, laws: dict[str, str], batches: int, draws: int | None = None
) -> list[dict[str, float]]:
    """Buy some batches as advised; runs there were, width promised, width found."""
    bought, found = dict(start), []
    total = world.flops(world.lots)
    table = world.rows(bought)
    fits = fits_of(world, table, laws, draws)
    for _ in range(batches):
        offered, batch = offers(world, bought), ()
        for shrink in SHRINKS:
            rule = StoppingRule(least_shrink=shrink)
            batch = advise(fits, world.objective, table, offered, world.prices, rule, batch=BATCH).batch
            if batch:
                break
        if not batch:
            break
        runs, spent, promised = len(bought), 0.0, 0.0
        for offer in batch:
            item = {lot_of(cell.name): cell.budgets for cell in offer.candidate.cells}
            spent += world.added(item, bought)
            bought |= {lot: (*bought.get(lot, ()), *budgets) for lot, budgets in item.items()}
            promised = offer.width
            if spent >= BATCH_SHARE * total:
                break
        table = world.rows(bought)
        fits = fits_of(world, table, laws, draws)
        width = believe(fits, world.objective, table).width
        found.append({"runs": runs, "promised": promised, "found": width})
    return found


def summary(rows: Sequence[dict[str, float]]) -> dict[str, float] | None:
    """Geometric mean of promised over found, root mean square of its logarithm, share that is close."""
    logs = [float(np.log(row["promised"] / row["found"])) for row in rows if row["found"] > 0]
    if not logs:
        return None
    return {
        "promises": len(logs),
        "ratio": float(np.exp(mean(logs))),
        "rms_log": float(np.sqrt(mean(x * x for x in logs))),
        "close": mean(float(abs(x) <= np.log(1 + CLOSE)) for x in logs),
    }


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Run the benchmark."""
    parser = measure.parser("promised widths of r* against refits")
    parser.set_defaults(data=Path("experiments/law_cpu"))
    parser.add_argument("--keep", help="limit; by default the sweep file's, or general <= +2%%")
    parser.add_argument("--starts", type=int, default=6, help="starting designs")
    parser.add_argument("--batches", type=int, default=5, help="batches bought from each")
    parser.add_argument("--draws", type=int, default=200, help="refits of an interval")
    options = parser.parse_args(argv)
    world = read_world(options.data, None, options.keep, options.draws)
    laws = laws_of(world)
    rows: list[dict[str, float]] = []
    for seed in range(options.seed, options.seed + (1 if options.quick else options.starts)):
        start = starting(world, 3, 3, 1, np.random.default_rng(seed))
        rows += promises(world, start, laws, options.batches)
    few, many = ([row for row in rows if (row["runs"] >= MANY) == side] for side in (False, True))
    document = {
        "benchmark": "next_runs_promise", "data": str(options.data), "from_few": summary(few),
        "from_many": summary(many), "many": MANY, "rows": rows,
    }  # fmt: skip
    lines = [
        f"from {words} {MANY} runs: {found['promises']} promises, {found['ratio']:.2f} of the width found, "
        f"off by {100 * found['rms_log']:.0f} %, {100 * found['close']:.0f} % of them within 30 %"
        for words, found in (("fewer than", document["from_few"]), ("at least", document["from_many"]))
        if isinstance(found, dict)
    ]
    return measure.report(document, options.json, lines)


if __name__ == "__main__":
    measure.run(main)
