"""Forms that were tried for the two losses, the rejected ones included, on the target of each domain.

python experiments/domains_cpu/forms.py [DOMAIN ...]

Prints the mean absolute error on the largest model when it is left out, in per cent, and the bias in
brackets; `law_cpu` is the sweep beside this one with the runs that were launched on its target.
"""

from __future__ import annotations

import re
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from dcpt.core.errors import DcptError
from dcpt.core.loss_table import LossTable
from dcpt.core.symbols import GENERAL
from dcpt.fit.dataset import prepare
from dcpt.fit.held_out import law_fitter
from dcpt.laws import get_law
from dcpt.laws.law import NOISE_DELTA, Law, Parameter, linear, nonlinear

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SHARE = "log((s + 0.05)/1.05)"
SIZE = "log(G0/3)"
FLOOR = "log((1 + {0})/(s + {0}))"
QUADRATIC = f"c + b*X + g*{SHARE} + u*X**2 + v*{SHARE}**2 + w*X*{SHARE}"
CUBIC = f"{QUADRATIC} + t*X**3 + y*X**2*{SHARE} + m*X*{SHARE}**2 + j*{SHARE}**3"

ANCHORED = "L0*(1 + Q*N**kappa*D*s**gamma)**-h"
SURFACE = f"{QUADRATIC} + k*X**2*{SHARE} + a*{SIZE} + p*{SIZE}*X + q*{SIZE}*{SHARE} + t*{SIZE}*X*{SHARE}"
START = "exp((1 + Q*s*D)**-0.3*log(L0) + (1 - (1 + Q*s*D)**-0.3)*({}))"

_SIGNED, _RATE, _POWER = (nonlinear(*bounds, "tried") for bounds in ((-20, 20), (1e-2, 1e5), (1e-3, 3)))
_EXPONENT, _COEFFICIENT = nonlinear(-1, 1, "tried"), linear(0, 1e3, "tried")
PARAMETERS: dict[str, Parameter] = {
    **dict.fromkeys("abcgkpquvwtymj", _SIGNED),
    **dict.fromkeys(("E", "A", "B", "C", "P", "S"), _COEFFICIENT),
    **dict.fromkeys(("Q", "e"), _RATE),
    **dict.fromkeys(("alpha", "beta", "gamma", "h", "T", "d", "z"), _POWER),
    **dict.fromkeys(("kappa", "lam", "mu", "nu"), _EXPONENT),
    "eps": nonlinear(1e-6, 1, "tried"),
}

GENERAL_FORMS = {
    "anchored-shift": None,
    "anchored-surface": None,
    "base-surface": None,
    "size-mixture": None,
    "d-cpt": None,
    "anchored, gain the same at all s": "L0*(1 + Q*N**kappa*D)**-h"
    f" + S*N**lam*{FLOOR.format('eps*N**mu*D**-d')}",
    "anchored, gain a power of D": f"L0 - P*N**kappa*D**h + S*N**lam*{FLOOR.format('eps*N**mu*D**-d')}",
    "anchored, gain by L0, not N": f"L0*(1 + Q*(L0/3)**p*D*s**gamma)**-h"
    f" + S*N**lam*{FLOOR.format('eps*N**mu*D**-d')}",
    "anchored, D**b in the cost": f"{ANCHORED} + S*N**lam*D**beta*{FLOOR.format('eps')}",
    "anchored, floor without N": f"{ANCHORED} + S*N**lam*{FLOOR.format('eps*D**-d')}",
    "anchored, cost without N": f"{ANCHORED} + S*{FLOOR.format('eps*N**mu*D**-d')}",
    "anchored, cost S*exp(-a*N**.25)": f"{ANCHORED} + S*exp(-a*N**0.25)*{FLOOR.format('eps*N**mu*D**-d')}",
    "anchored, 1 - (1 + eD)**-b": "L0 - P*N**kappa*log(1 + Q*D)"
    f" + S*N**lam*(1 - (1 + e*D)**-beta)*{FLOOR.format('eps')}",
    "ratio to the base": f"L0*(1 - P*log(1 + Q*D) + S*(1 - (1 + e*D)**-beta)*{FLOOR.format('eps')})",
}
DOMAIN_FORMS = {
    "base-surface": None,
    "size-mixture": None,
    "d-cpt": None,
    "surface without a start": f"exp({SURFACE})",
    "surface, power of the start 0.5": START.format(SURFACE).replace("-0.3", "-0.5"),
    "surface, power of the start 1": START.format(SURFACE).replace("-0.3", "-1"),
    "surface, power of the start free": START.format(SURFACE).replace("-0.3", "-h"),
    "surface, start by D": START.format(SURFACE).replace("Q*s*D", "Q*D"),
    "quadratic surface": START.format(f"{QUADRATIC} + a*{SIZE} + p*{SIZE}*X + q*{SIZE}*{SHARE}"),
    "quadratic surface, N for G0": START.format(f"{QUADRATIC} + a*log(N) + p*log(N)*X + q*log(N)*{SHARE}"),
    "cubic surface": START.format(f"{CUBIC} + a*{SIZE} + p*{SIZE}*X + q*{SIZE}*{SHARE} + k*{SIZE}*X*{SHARE}"),
    "cubic surface, D scaled by N": f"exp({CUBIC.replace('X', '(X + nu*log(N))')} + a*{SIZE})",
    "G0**a times L3": "(G0/3)**a*(E + B*D**-beta + C*(s + eps)**-gamma)",
    "G0**a times tokens*share": "(G0/3)**a*(E + B*(D*(s + eps)**z)**-beta)",
    "from its own base, log": "L0 - P*N**kappa*D**h - S*N**lam*log(1 + Q*s**z*D**d*N**mu)",
    "from its own base, power": "L0*(1 + Q*s**z*D**d*N**mu)**-T",
    "from its own base to E*G0**a": "E*(G0/3)**a + (L0 - E*(G0/3)**a)*(1 + Q*s**z*D**d*N**mu)**-T",
}
AVERAGED = ("anchored-shift", "anchored-surface")
TIGHT = 1e-3
"""Huber threshold of the published laws, tried with ours too; ours in turn with theirs."""


def law_of(name: str, formula: str | None) -> Law:
    """The registered law, or one made of the formula."""
    if formula is None:
        return get_law(name)
    formula = re.sub(r"\bX\b", "log(D)", formula)
    used = {key: item for key, item in PARAMETERS.items() if re.search(rf"\b{key}\b", formula)}
    body = {
        "name": name,
        "formula": formula,
        "reference": "tried",
        "monotone": {},
        "delta": NOISE_DELTA,
        **used,
    }
    made: Law = type("Tried", (Law,), body)()
    return made


def table_of(domain: str) -> LossTable:
    """The sweep of a domain; law_cpu with its launched runs."""
    if domain != "law_cpu":
        return LossTable.read(HERE / domain / "losses.csv")
    files = (ROOT / "experiments/law_cpu/losses.csv", ROOT / "fits/law_cpu/launched.csv")
    frame = pd.concat([LossTable.read(path).frame for path in files])
    return LossTable.from_frame(frame.drop_duplicates(["run_id", "step", "eval_set", "metric"]))


def main() -> None:
    warnings.simplefilter("ignore")
    known = [path.parent.name for path in sorted(HERE.glob("*/losses.csv"))]
    domains = sys.argv[1:] or [*known, "law_cpu"]
    tables = {name: table_of(name) for name in domains}
    for side, forms in ((GENERAL, GENERAL_FORMS), ("domain", DOMAIN_FORMS)):
        print(f"{side:32s}  k  " + "  ".join(f"{name:>14s}" for name in domains))
        found: dict[str, list[pd.Series]] = {}
        for name, formula in forms.items():
            law = law_of(name, formula)
            tried = (
                (law.delta, NOISE_DELTA if law.delta == TIGHT else TIGHT) if formula is None else (law.delta,)
            )
            for delta in tried:
                label = name if delta == law.delta else f"  threshold {delta:g}"
                found[label] = [log_errors(law, table, side, delta) for table in tables.values()]
                print(row(label, len(law.names), found[label]))
        if side == GENERAL:
            pairs = zip(*(found[name] for name in AVERAGED), strict=True)
            print(row("mean of the first two laws", 0, [(one + other) / 2 for one, other in pairs]))


def log_errors(law: Law, table: LossTable, side: str, delta: float) -> pd.Series:
    """Log errors on the ends of the largest model, in per cent; seeds of one end are one measurement."""
    data, _ = prepare(table, side, law=law)
    out = data.N.max() == data.N
    predicted, _ = law_fitter(law, delta)(data.take(~out))
    error = pd.Series(100 * np.log(predicted(data.take(out)) / data.loss[out]))
    return error.groupby([data.r[out], data.D[out]]).mean()


def row(label: str, parameters: int, errors: list[pd.Series]) -> str:
    """One line of the table."""
    cells = [f"{error.abs().mean():6.2f} ({error.mean():+5.2f})" for error in errors]
    return f"  {label:32s} {parameters or '':>2}  " + "  ".join(f"{cell:>14s}" for cell in cells)


if __name__ == "__main__":
    try:
        main()
    except DcptError as error:
        sys.exit(str(error))
