"""Loss tables with a known truth, and the real sweep of the leads study."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from dcpt.core.loss_table import LossTable
from dcpt.fit import FitSet, fit_table
from dcpt.laws import get_law

# A truth of the size of real continual pre-training losses, N and D in millions.
TRUTH = dict(E=0.85, A=0.9, B=0.5, C=0.25, alpha=0.30, nu=0.4, beta=0.25, eps=0.05, gamma=0.35)
SIZES = (0.1e6, 0.3e6, 1e6, 3e6)
TOKENS = (0.2e6, 0.6e6, 2e6, 6e6)
RATIOS = (0.1, 0.25, 0.5, 0.75, 0.9)

Make = Callable[..., LossTable]


@pytest.fixture(scope="session")
def truth() -> dict[str, float]:
    return dict(TRUTH)


@pytest.fixture(scope="session")
def make() -> Make:
    """Tables of the truth: make(noise, run_noise, seed, sizes, tokens, ratios, sets)."""

    def build(
        noise=0.0,
        run_noise=0.0,
        seed=0,
        sizes=SIZES,
        tokens=TOKENS,
        ratios=RATIOS,
        sets=("domain",),
        law="d-cpt",
    ) -> LossTable:
        rng = np.random.default_rng(seed)
        form = get_law(law)
        theta = np.array([TRUTH[name] for name in form.names])
        rows = []
        for eval_set in sets:
            for size in sizes:
                for ratio in ratios:
                    run = run_noise * rng.standard_normal()
                    for count in tokens:
                        share = ratio if eval_set == "domain" else 1 - ratio
                        loss = form.evaluate(theta, {"N": size / 1e6, "D": count / 1e6, "s": share})[0]
                        scatter = run + noise * rng.standard_normal()
                        name = f"n{size:g}-r{ratio:g}-d{count:g}"
                        rows.append((name, size, count, ratio, eval_set, loss * np.exp(scatter)))
        names = ["run_id", "N", "D", "r", "eval_set", "value"]
        return LossTable.from_frame(pd.DataFrame(rows, columns=names))

    return build


@pytest.fixture(scope="session")
def fits(make: Make) -> FitSet:
    """The default laws of both sides with refits and hold-outs, fitted once for all who look at them."""
    return fit_table(make(noise=0.002, sets=("general", "domain")), bootstrap=25)


@pytest.fixture(scope="session")
def leads(shared) -> Callable[[str], LossTable]:
    """The end points of the leads study: leads("proxy"), leads("target")."""
    wide = pd.read_csv(shared / "losses" / "leads_study" / "points.csv", comment="#")

    def build(role: str) -> LossTable:
        rows = wide[wide["role"] == role]
        long = pd.concat([rows.assign(eval_set=name, value=rows[name]) for name in ("general", "domain")])
        long = long.drop(columns="role").reset_index(drop=True)
        long["run_id"] = [f"n{n}-r{r}-d{d}" for n, r, d in zip(long["N"], long["r"], long["D"], strict=True)]
        return LossTable.from_frame(long)

    return build
