"""Plans and what-if questions on fits with many bootstrap draws, timed.

    python -m benchmarks.plan --data LOSSES.csv --json

LOSSES.csv is a loss table as `dcpt sweep` or `dcpt ingest` writes it, with losses of a general and a domain
evaluation set and of the bases before continual pre-training. The target is the largest base in it, on the
most tokens of any run.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import measure
from dcpt.core.loss_table import LossTable
from dcpt.core.quantity import format_quantity
from dcpt.fit.fit import fit_table
from dcpt.plan.make_plan import make_plan
from dcpt.plan.objective import Objective
from dcpt.plan.plan import Plan
from dcpt.plan.what_if import AXES, what_if

OURS = Path(__file__).resolve().parents[1] / "experiments" / "law_cpu" / "losses.csv"


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Run the benchmark."""
    parser = measure.parser("plans and what-if questions")
    parser.add_argument("--draws", type=int, default=1000, help="bootstrap draws of the fits")
    parser.add_argument("--keep", default="general <= +2%", help="the limit of the trade-off")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args(argv)
    table = LossTable.read(options.data or OURS)
    bases = table.select(None, "loss", ("base",)).frame
    ends = table.select(None, "loss", ("end",)).frame
    N, D = float(bases["N"].max()), float(ends["D"].max())
    fits = fit_table(table, bootstrap=options.draws, holdouts=False, seed=options.seed)
    target = {"N": N, "D": D}
    kept = Objective.of({**target, "keep": options.keep})
    limited = Objective.of({"N": N, "D_max": 4 * D, "keep": options.keep, "pools": {"domain": D / 4}})
    questions: dict[str, Callable[[], object]] = {
        "trade_off": lambda: make_plan(fits, kept, table),
        "balance": lambda: make_plan(
            fits, Objective.of({**target, "minimise": "0.5*domain + 0.5*general"}), table
        ),
        "limited_data": lambda: make_plan(fits, limited, table),
    }
    questions |= {
        f"what_if_{axis}": lambda axis=axis: what_if(fits, kept, axis, None, table)  # type: ignore[misc]
        for axis in AXES
    }
    document: dict[str, Any] = {
        "benchmark": "plan",
        "draws": options.draws,
        **target,
        "seconds": {},
        "cpu": {},
    }
    lines = [f"{options.draws} draws, {format_quantity(N)} parameters on {format_quantity(D)} tokens"]
    for name, ask in questions.items():
        first, answer = measure.timed(ask)
        warm, _ = measure.best_of(ask, options.repeats)
        document["seconds"][name] = round(warm.wall, 4)
        document["cpu"][name] = round(warm.cpu, 4)
        lines.append(f"{name:<14} {warm.wall:.3f} s warm, {first.wall:.3f} s first")
        if isinstance(answer, Plan):
            document[f"r_{name}"] = round(answer.r, 6)
    return measure.report(document, options.json, lines)


if __name__ == "__main__":
    measure.run(main)
