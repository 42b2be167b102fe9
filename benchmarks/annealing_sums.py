"""How long the forward and annealing areas of a schedule of a million steps take.

`python -m benchmarks.annealing_sums [--json]`: a warm-up, a constant rate and a cosine of the last half.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks import measure
from dcpt.core.annealing import compress, momentum_area, rate_drops
from dcpt.core.curve import RateHistory
from dcpt.core.schedule import Schedule

STEPS, REPEATS = 1_000_000, 7


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    options = measure.parser(str(__doc__).splitlines()[0])
    options.add_argument("--steps", type=int, default=STEPS)
    args = options.parse_args(arguments)
    rates = Schedule("cosine", 3e-4, args.steps, args.steps // 100, floor=0.1).rates()
    history = RateHistory.of(rates, warmup=args.steps // 100)

    def work() -> tuple[Any, Any]:
        drops, S1 = rate_drops(history), np.cumsum(history.rates)
        return momentum_area(drops), compress(drops, history.rates, S1)

    seconds, (area, sources) = measure.best_of(work, REPEATS)
    document = {
        "benchmark": "annealing_sums",
        "steps": args.steps,
        "seconds": seconds.wall,
        "cpu_seconds": seconds.cpu,
        "S1": float(history.S1[-1]),
        "S2": float(area[-1]),
        "sources": len(sources.mass),
    }
    lines = [f"S1, S2 and the thinned falls of {args.steps} steps: {1e3 * seconds.wall:.1f} ms"]
    return measure.report(document, args.json, lines)


if __name__ == "__main__":
    measure.run(main)
