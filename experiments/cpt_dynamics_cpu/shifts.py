"""Which form of the mixture in the shift predicts shares that were not fitted best, with paired intervals.

python experiments/cpt_dynamics_cpu/shifts.py [general|domain]

Every share is left out in turn, size by size, and predicted from the other three; a mean absolute error per
share and peak, all its schedules together. Prints the mean per share in per cent and, over shares, peaks and
sizes that are resampled together, how far each form is above the best with a 90 % interval.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent))
from compare import FILE, SIZES, base_curves, fit, own_losses, splits

from dcpt.core.errors import DcptError
from dcpt.fit.loss_curves.curve_rows import read_curve_rows
from dcpt.fit.loss_curves.from_table import CPT_PEAK, curves_of
from dcpt.ingest.reading import Reading

FORMS = {
    "general": ("replay", "replay-power", "replay-log", "replay-growing", "share-clock"),
    "domain": ("replay", "replay-saturating", "replay-growing", "share-clock", "replay+share-clock"),
}
KERNELS = ("", "+rate-power")
DRAWS, SEED = 4000, 0


def missed(side: str, form: str, kernel: str, sizes: dict[str, float]) -> pd.DataFrame:
    """One row per size, share and peak: the mean absolute log error where that share was left out."""
    found = curves_of(read_curve_rows(FILE, Reading()), f"{side}/dense", base_point=False).curves
    rows = []
    for size, N in sizes.items():
        mine = [curve for curve in found if curve.given["N"] == N]
        curves = own_losses([curve for curve in mine if curve.history.switch])
        bases = base_curves([curve for curve in mine if not curve.history.switch], curves)
        for split in splits(curves):
            if not split.name.startswith("replay"):
                continue
            predict, _ = fit(f"cpt-dynamics+{form}{kernel}", split.fitted, bases)
            for peak in sorted({curve.given[CPT_PEAK] for curve in split.unseen}):
                part = [curve for curve in split.unseen if curve.given[CPT_PEAK] == peak]
                off = np.concatenate([np.log(predict(curve) / curve.loss) for curve in part])
                rows.append((size, split.name, peak, 100 * float(np.abs(off).mean())))
    return pd.DataFrame(rows, columns=["size", "share", "peak", "error"]).set_index(["size", "share", "peak"])


def table_of(side: str, kernel: str) -> pd.DataFrame:
    """Forms down, shares across, and the mean over what lies inside the fitted shares with its interval."""
    errors = {form: missed(side, form, kernel, SIZES)["error"] for form in FORMS[side]}
    frame = pd.DataFrame(errors)
    rng = np.random.default_rng(SEED)
    shares = frame.index.get_level_values("share")
    shown = {form: frame[form].groupby(shares, sort=False).mean().to_dict() for form in frame}
    inner = shares.isin(["replay 0.5", "replay 0.25"])
    for name, rows in (("inside", inner), ("all", np.ones(len(frame), dtype=bool))):
        part = frame[rows]
        best = part.mean().idxmin()
        picks = rng.integers(0, len(part), size=(DRAWS, len(part)))
        for form in frame:
            ahead = (part[form] - part[best]).to_numpy()
            low, high = np.quantile(ahead[picks].mean(axis=1), [0.05, 0.95])
            shown[form][name] = f"{part[form].mean():.2f}"
            shown[form][f"{name}, above the best"] = (
                "" if form == best else f"{ahead.mean():.2f} ({low:.2f} to {high:.2f})"
            )
    return pd.DataFrame(shown).T


def main() -> None:
    warnings.simplefilter("ignore")
    for side in [word for word in sys.argv[1:] if word in FORMS] or list(FORMS):
        for kernel in KERNELS:
            print(f"\n{side} loss, {'momentum, memory 0.999' if not kernel else kernel[1:]}")
            print(table_of(side, kernel).to_string(float_format=lambda value: f"{value:.2f}"))


if __name__ == "__main__":
    try:
        main()
    except DcptError as error:
        sys.exit(str(error))
