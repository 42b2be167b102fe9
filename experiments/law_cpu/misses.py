"""Where the law misses: errors on the target beside a baseline's, seed noise, and the ratio's effect by size.

python experiments/law_cpu/misses.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from dcpt.core.loss_table import LossTable
from dcpt.fit.fit_file import load_fits

ROOT = Path(__file__).resolve().parents[2]
NEAR = (0.25, 0.75)
"""Ratios the target was trained between; slopes are compared over these alone."""


def log_linear(frame: pd.DataFrame, side: str) -> np.ndarray:
    share = np.where(side == "general", 1 - frame["r"], frame["r"])
    return np.column_stack([np.ones(len(frame)), np.log(share), np.log(frame["N"]), np.log(frame["D"])])


def main() -> None:
    proxies = LossTable.read(ROOT / "experiments/law_cpu/losses.csv")
    target = LossTable.read(ROOT / "fits/law_cpu/launched.csv")
    fits = load_fits(ROOT / "fits/law_cpu")
    for side in ("general", "domain"):
        ends = proxies.select(side).frame
        ends = ends[(ends["r"] > 0) & (ends["r"] < 1)]
        runs = target.select(side).frame.sort_values("r")
        weights = np.linalg.lstsq(log_linear(ends, side), np.log(ends["value"]), rcond=None)[0]
        predicted = {
            "d-cpt": fits.get("d-cpt", side).mean(runs["N"], runs["D"], runs["r"]),
            "log-linear": np.exp(log_linear(runs, side) @ weights),
        }
        print(f"{side}: error on the target, measured minus predicted, nats")
        for name, values in predicted.items():
            error = runs["value"].to_numpy() - values
            share = 100 * np.abs(error) / runs["value"].to_numpy()
            per_ratio = ", ".join(f"r = {r:g}: {e:+.4f}" for r, e in zip(runs["r"], error, strict=True))
            print(f"  {name:<11}{per_ratio}; mean {np.abs(error).mean():.4f} ({share.mean():.2f} %)")
        pairs = ends.pivot_table(index=["N", "r", "D"], columns="seed", values="value").dropna()
        noise = (pairs[1] - pairs[0]).std() / np.sqrt(2)
        print(f"  standard deviation of one run over seeds: {noise:.4f} ({len(pairs)} pairs)")
        most = ends[(ends["D"] == ends["D"].max()) & ends["r"].between(*NEAR)]
        print("  slope of the loss in ln s, r from 0.25 to 0.75:")
        for N, rows in [*most.groupby("N"), (float(runs["N"].iloc[0]), runs)]:
            share = np.log(1 - rows["r"] if side == "general" else rows["r"])
            print(f"    N = {N:>9,.0f}: {np.polyfit(share, rows['value'], 1)[0]:+.4f}")


if __name__ == "__main__":
    main()
