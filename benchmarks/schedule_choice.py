"""How a law of curves is best chosen from three curves: 48 choices, judged on all other runs.

`python -m benchmarks.schedule_choice --data FOLDER [--json]`, with the files runs.csv and val_curves.csv of
the published 124M runs. Fitted are a constant rate, a cosine and a linear decay of one peak up to half of the
longest run; the constant rate once whole and once up to there, so that half of the choices are judged on runs
twice as long as any fitted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks import measure
from benchmarks.schedule_data import transfer_runs
from dcpt.core.curve import Curve
from dcpt.core.errors import DataError
from dcpt.fit.loss_curves import choose_law, fit_curves
from dcpt.fit.loss_curves.choose import CANDIDATES

BURN_IN, HORIZON = 2000, 25_000
DECAYS = (0.1, 0.2, 0.4)
RULES: dict[str, dict[str, Any]] = {
    "the first unless beaten beyond chance": {"expected": True},
    "least error": {"expected": False},
    "least error, means of laws too": {"expected": False, "averages": True},
}


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    options = measure.parser(str(__doc__).splitlines()[0])
    options.add_argument(
        "--law", nargs="+", default=list(CANDIDATES), help="candidates; the first is expected"
    )
    options.add_argument(
        "--alone", nargs="*", default=["two-memory"], help="further laws, each without a choice"
    )
    args = options.parse_args(arguments)
    if args.data is None:
        raise DataError("benchmarks.schedule_choice: --data is missing; wanted a folder with runs.csv.")
    found: dict[str, list[tuple[bool, float]]] = {}
    for short, train, test in problems(transfer_runs(args.data, BURN_IN)):
        for law in (*args.law, *args.alone):
            found.setdefault(law, []).append((short, error(fit_curves(law, train), test)))
        for name, rule in RULES.items():
            best = choose_law(train, tuple(args.law), **rule).best
            found.setdefault(name, []).append((short, error(best, test)))
    if not found:
        raise DataError(f"{args.data}: holds no peak rate with a constant run, cosines and linear decays.")
    rows = {name: summary(errors) for name, errors in found.items()}
    lines = [
        f"{name:40s} MAE {row['mae']:.5f}  constant rate whole {row['whole']:.5f}  cut {row['cut']:.5f}"
        for name, row in rows.items()
    ]
    document = {
        "benchmark": "schedule_choice",
        "laws": list(args.law),
        "choices": len(next(iter(found.values()))),
        "errors": rows,
    }
    return measure.report(document, args.json, lines)


def problems(runs: Any) -> Iterator[tuple[bool, Sequence[Curve], Sequence[Curve]]]:
    """Whether the constant rate is cut, three curves to fit, and all other runs of the peak."""
    for members in runs.values():

        def some(kind: str, decay: float, members: Any = members) -> list[Curve]:
            wanted = ("linear",) if decay else ("linear", "sqrt")
            return [
                curve
                for run, curve in members.values()
                if run["scheduler"] == kind
                and run["fract_decay"] == decay
                and run["decay_type"] in wanted
                and (run["iterations"] == HORIZON or (kind == "wsd" and not decay))
            ]

        for constant in some("wsd", 0.0)[:1]:
            for cosine in some("cos", 0.0):
                for decay in DECAYS:
                    for linear in some("wsd", decay)[:1]:
                        for short in (False, True):
                            first = constant.take(constant.steps <= HORIZON) if short else constant
                            train = [first, cosine, linear]
                            names = {curve.name for curve in train}
                            rest = [curve for _, curve in members.values() if curve.name not in names]
                            yield short, train, rest


def error(fit: Any, test: Sequence[Curve]) -> float:
    """Mean over curves of the mean absolute error, nats per token."""
    return float(np.mean([np.abs(fit.mean(curve) - curve.loss).mean() for curve in test]))


def summary(errors: Sequence[tuple[bool, float]]) -> dict[str, float]:
    """Mean errors: of all choices, of those with the whole constant rate, of those with its first half."""
    parts = {cut: [value for short, value in errors if short is cut] for cut in (False, True)}
    return {
        "mae": float(np.mean([value for _, value in errors])),
        "whole": float(np.mean(parts[False])),
        "cut": float(np.mean(parts[True])),
    }


if __name__ == "__main__":
    measure.run(main)
