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
DOMAINS = ("math", "medical", "chemistry", "music", "law")
WIDER = {"d-cpt": 1e-2}
"""Laws that are also fitted with another Huber threshold than their own."""
LAWS = {
    "general": ("anchored-shift", "anchored-surface", "base-surface", "size-mixture", "d-cpt", "d-cpt-l1"),
    "domain": ("base-surface", "size-mixture", "d-cpt", "d-cpt-l1"),
}
DEFAULTS = {"general": "anchored-shift", "domain": "base-surface"}
LEVEL = 0.9
DRAWS = 200
RESAMPLES = 4000


def errors(domain: str) -> pd.DataFrame:
    """Relative errors of every law on the target's ends, with the share of runs in the interval.

    What is measured is the mean over the seeds of the target's data order.
    """
    table = LossTable.read(HERE / domain / "losses.csv")
    target = table.frame["N"].max()
    keep = (table.frame["N"] < target) | (table.frame["D"] == 0)  # the target's base is measured, not its CPT
    proxies = LossTable.from_frame(table.frame[keep])
    parts = []
    for side, laws in LAWS.items():
        ends = table.select(side).frame
        ends = ends[(ends["N"] == target) & (ends["r"] > 0) & (ends["r"] < 1)]
        runs = ends.pivot_table(index=["r", "D"], columns="seed", values="value")
        r, D = (runs.index.get_level_values(name).to_numpy() for name in ("r", "D"))
        measured = runs.mean(axis=1).to_numpy()
        place = {"domain": domain, "side": side, "D": D, "r": r}
        data, _ = prepare(table, side)
        left = target == data.N
        for name, baseline in BASELINES.items():
            of_run = pd.Series(baseline(data.take(~left))(data.take(left)))
            mean = of_run.groupby([data.r[left], data.D[left]]).mean().to_numpy()  # in the order of `runs`
            parts.append(pd.DataFrame({**place, "model": name, "error": mean / measured - 1}))
        for name in laws:
            for delta in (None, WIDER[name]) if name in WIDER else (None,):
                fit = fit_law(get_law(name), proxies, side, bootstrap=DRAWS, delta=delta)
                found = fit.predict(target, D, r, LEVEL)
                losses = runs.to_numpy()
                inside = {
                    kind: (
                        (found[f"{kind}_lo"].to_numpy()[:, None] <= losses)
                        & (losses <= found[f"{kind}_hi"].to_numpy()[:, None])
                    ).mean(axis=1)
                    for kind in ("mean", "obs")
                }
                width = np.log(found["obs_hi"] / found["obs_lo"]).to_numpy()
                row = {**place, "model": name if delta is None else f"{name}, threshold {delta:g}"}
                row |= {"error": found["mean"].to_numpy() / measured - 1, **inside, "width": width}
                parts.append(pd.DataFrame(row | {"fitted": fit.mape}))
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


def scatter(domain: str) -> dict[str, float]:
    """Standard deviation of one run's log loss over seeds of the data order, in per cent, by side."""
    table = LossTable.read(HERE / domain / "losses.csv")
    found = {}
    for side in LAWS:
        ends = table.select(side).frame
        ends = ends[(ends["r"] > 0) & (ends["r"] < 1)]
        pairs = ends.pivot_table(index=["N", "r", "D"], columns="seed", values="value").dropna()
        found[side] = 100 * float(np.sqrt(np.log(pairs).var(axis=1, ddof=1).mean()))
    return found


def main() -> None:
    warnings.simplefilter("ignore")
    names = sys.argv[1:] or [name for name in DOMAINS if (HERE / name / "losses.csv").exists()]
    found = pd.concat([errors(name) for name in names], ignore_index=True)
    print(table_of(found).to_string(index=False, float_format=lambda value: f"{value:.2f}"))
    best = found[found["side"].map(DEFAULTS) == found["model"]]
    best = best.groupby(["side", "domain"])["obs"].mean().unstack()
    print(
        "\nruns inside their 90 % interval, %; the default laws together:", f"{100 * best.mean().mean():.1f}"
    )
    print((100 * best).round(1).to_string())
    print("\none run over seeds of the data order, %")
    print(pd.DataFrame({name: scatter(name) for name in names}).round(2).to_string())


if __name__ == "__main__":
    try:
        main()
    except DcptError as error:
        sys.exit(str(error))
