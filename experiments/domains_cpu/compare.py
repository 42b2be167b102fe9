"""Laws fitted on the four proxies of each domain, judged on a model 3.3 times the largest of them.

python experiments/domains_cpu/compare.py [DOMAIN ...]
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from dcpt.core.errors import DcptError
from dcpt.core.loss_table import LossTable
from dcpt.fit import fit_law
from dcpt.fit.baselines import BASELINES
from dcpt.fit.dataset import prepare
from dcpt.laws import get_law

HERE = Path(__file__).resolve().parent
DOMAINS = ("math", "medical", "chemistry")
LAWS = {
    "general": ("anchored-shift", "anchored-surface", "base-surface", "size-mixture", "d-cpt", "d-cpt-l1"),
    "domain": ("base-surface", "size-mixture", "d-cpt", "d-cpt-l1"),
}
LEVEL = 0.9
DRAWS = 200
RESAMPLES = 4000


def errors(domain: str) -> pd.DataFrame:
    """Relative errors of every law on the target's ends: one row each, with whether the interval holds it."""
    table = LossTable.read(HERE / domain / "losses.csv")
    target = table.frame["N"].max()
    keep = (table.frame["N"] < target) | (table.frame["D"] == 0)  # the target's base is measured, not its CPT
    proxies = LossTable.from_frame(table.frame[keep])
    parts = []
    for side, laws in LAWS.items():
        ends = table.select(side).frame
        ends = ends[(ends["N"] == target) & (ends["r"] > 0) & (ends["r"] < 1)]
        measured = ends["value"].to_numpy()
        place = {"domain": domain, "side": side, "D": ends["D"].to_numpy(), "r": ends["r"].to_numpy()}
        data, _ = prepare(table, side)  # rows in the table's order, as in `ends`
        for name, baseline in BASELINES.items():
            predicted = baseline(data.take(target > data.N))(data.take(target == data.N))
            parts.append(pd.DataFrame({**place, "model": name, "error": predicted / measured - 1}))
        for name in laws:
            fit = fit_law(get_law(name), proxies, side, bootstrap=DRAWS)
            found = fit.predict(target, ends["D"], ends["r"], LEVEL)
            inside = {
                kind: ((found[f"{kind}_lo"] <= measured) & (measured <= found[f"{kind}_hi"])).to_numpy()
                for kind in ("mean", "obs")
            }
            width = np.log(found["obs_hi"] / found["obs_lo"]).to_numpy()
            error = found["mean"].to_numpy() / measured - 1
            row = {**place, "model": name, "error": error, **inside, "width": width, "fitted": fit.mape}
            parts.append(pd.DataFrame(row))
    return pd.concat(parts, ignore_index=True)


def table_of(found: pd.DataFrame) -> pd.DataFrame:
    """Mean absolute error in per cent by model and domain, with the difference to the best and its interval.

    Ends of one run of one domain are resampled together, and the domains too.
    """
    rows = []
    rng = np.random.default_rng(0)
    for side, part in found.groupby("side"):
        wide = part.assign(error=part["error"].abs()).pivot_table(
            index=["domain", "r"], columns="model", values="error"
        )
        domains = wide.index.get_level_values("domain")
        names = list(dict.fromkeys(domains))
        blocks = {name: wide[domains == name].to_numpy() for name in names}
        draws = np.empty((RESAMPLES, wide.shape[1]))
        for i in range(RESAMPLES):
            picked = rng.choice(names, len(names))
            draws[i] = np.mean(
                [
                    block[rng.integers(len(block), size=len(block))].mean(0)
                    for block in map(blocks.get, picked)
                ],
                axis=0,
            )
        mean = wide.groupby("domain").mean().mean()
        best = int(np.argmin(mean.to_numpy()))
        for column, name in enumerate(wide.columns):
            lo, hi = np.quantile(draws[:, column] - draws[:, best], [0.05, 0.95])
            own = part[part["model"] == name]
            row = {"side": side, "model": name, "error %": 100 * mean[name]}
            row |= {item: 100 * value for item, value in wide[name].groupby("domain").mean().items()}
            row |= {"bias %": 100 * own["error"].mean(), "to best": 100 * (mean[name] - mean.iloc[best])}
            row |= {
                "lo": 100 * lo,
                "hi": 100 * hi,
                "covered": own["obs"].mean(),
                "width %": 100 * own["width"].mean(),
            }
            rows.append(row | {"covered (mean)": own["mean"].mean(), "fitted %": 100 * own["fitted"].mean()})
    return pd.DataFrame(rows).sort_values(["side", "error %"], ignore_index=True)


def main() -> None:
    warnings.simplefilter("ignore")
    names = sys.argv[1:] or [name for name in DOMAINS if (HERE / name / "losses.csv").exists()]
    found = pd.concat([errors(name) for name in names], ignore_index=True)
    print(table_of(found).to_string(index=False, float_format=lambda value: f"{value:.2f}"))


if __name__ == "__main__":
    try:
        main()
    except DcptError as error:
        sys.exit(str(error))
