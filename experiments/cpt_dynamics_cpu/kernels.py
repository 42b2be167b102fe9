"""Which kernel prices a fall of the rate best: schedules that were not fitted, size by size.

python experiments/cpt_dynamics_cpu/kernels.py

Constant rates and 20 % decays are fitted, cosines and decays of 10 % and 50 % predicted; mean absolute error
of all losses and, in brackets, of the ends, in per cent.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent))
from compare import FILE, SIZES, base_curves, errors, fit, own_losses, splits

from dcpt.core.errors import DcptError
from dcpt.fit.loss_curves.curve_rows import read_curve_rows
from dcpt.fit.loss_curves.from_table import curves_of
from dcpt.ingest.reading import Reading

KERNELS = ("", "+memory", "+intrinsic-exponential", "+intrinsic-power", "+rate-power")
LAW = {"general": "cpt-dynamics+replay-power", "domain": "cpt-dynamics+share-clock"}


def main() -> None:
    warnings.simplefilter("ignore")
    rows = read_curve_rows(FILE, Reading())
    cells: dict[str, dict[str, str]] = {}
    for side, law in LAW.items():
        found = curves_of(rows, f"{side}/dense", base_point=False).curves
        for size, N in SIZES.items():
            mine = [curve for curve in found if curve.given["N"] == N]
            curves = own_losses([curve for curve in mine if curve.history.switch])
            bases = base_curves([curve for curve in mine if not curve.history.switch], curves)
            split = next(splits(curves))
            for kernel in KERNELS:
                whole, end = errors(fit(law + kernel, split.fitted, bases)[0], split.unseen)
                cells.setdefault(f"{side}, {size}", {})[kernel or "momentum, memory 0.999"] = (
                    f"{whole:.2f} ({end:.2f})"
                )
    print(pd.DataFrame(cells).to_string())


if __name__ == "__main__":
    try:
        main()
    except DcptError as error:
        sys.exit(str(error))
