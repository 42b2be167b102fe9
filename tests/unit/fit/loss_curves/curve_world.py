"""Loss curves whose truth is known: tables as a sweep writes them, and logs as other people have them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dcpt.core.curve import Curve, RateHistory
from dcpt.core.schedule import Schedule
from dcpt.core.schedule_joined import JoinedSchedule
from dcpt.laws.curves import get_curve_law

# Wang et al. 2025 (arXiv:2505.07796), Fig. 3, annealing on the clock of the forward area instead of momentum.
TRUTH = {
    "general": dict(
        L0=3.057, A=0.49, alpha=0.497, C1=90.0, C2=90.0, c=3000.0, b=0.6, K=0.069, E=28.0, beta=0.189
    ),
    "domain": dict(
        L0=3.024, A=0.412, alpha=0.677, C1=80.0, C2=110.0, c=3000.0, b=0.6, K=0.097, E=566.0, beta=0.146
    ),
}
LAW = "cpt-dynamics+intrinsic-power"
SHAPES = {"general": {"k": 0.4, "eps": 0.02}, "domain": {"k": 1.0, "eps": 0.5}}

BASE = Schedule("wsd", 3e-3, 400, 40, 80)
TRUNK = Schedule("constant", 1e-3, 300, 10)
RUNS = {
    "trunk": TRUNK,
    "wsd-100": Schedule("wsd", 1e-3, 100, 10, 20),
    "wsd-200": Schedule("wsd", 1e-3, 200, 10, 40),
    "wsd-300": Schedule("wsd", 1e-3, 300, 10, 60),
    "half": Schedule("wsd", 1e-3, 300, 10, 150, "linear"),
    "cos": Schedule("cosine", 1e-3, 300, 10, floor=0.1),
}
EVERY, N, TOKENS = 10, 50_000, 2048


def law_of(mixtures: bool):
    return get_curve_law("cpt-dynamics+replay+intrinsic-power" if mixtures else LAW)


def truth_of(side: str, mixtures: bool) -> dict[str, float]:
    values = {**TRUTH[side], **(SHAPES[side] if mixtures else {})}
    return {name: values[name] for name in law_of(mixtures).names}


def true_losses(side: str, joined: JoinedSchedule, steps: np.ndarray, r: float, mixtures: bool) -> np.ndarray:
    history = RateHistory(joined.rates(), joined.switch, joined.rising)
    given = {"s": 1 - r if side == "general" else r, "N": float(N)}
    curve = Curve("x", history, steps, np.ones(len(steps)), given, side=side)
    return law_of(mixtures).evaluate(truth_of(side, mixtures), [curve])


def table(
    ratios: tuple[float, ...] = (0.5,), noise: float = 1e-3, seed: int = 0, pretraining: bool = False
) -> pd.DataFrame:
    """What `dcpt sweep run` writes: a base, trunks, branches from them, and a schedule of its own."""
    draw = np.random.default_rng(seed)
    rows = []
    mixtures = len(ratios) > 1
    for r in ratios:
        start = {}
        for name, schedule in RUNS.items():
            joined = JoinedSchedule(BASE, schedule)
            first = schedule.decay_start if name.startswith(("wsd", "half")) else 0
            steps = np.arange(EVERY, schedule.steps + 1, EVERY)
            steps = steps[steps > first]
            rates = schedule.rates()
            for side in ("general", "domain"):
                at = np.concatenate([[0], steps]) + BASE.steps
                true = true_losses(side, joined, at, r, mixtures)
                start[side] = true[0]
                seen = true[1:] + noise * draw.standard_normal(len(steps))
                for step, value in zip(steps, seen, strict=True):
                    common = {
                        "run_id": f"r{r:g}-{name}", "step": step, "N": N, "D": step * TOKENS, "r": r,
                        "seed": 7, "eta": rates[step - 1], "role": side, "metric": "loss",
                        "schedule": schedule.text, "base_schedule": BASE.text,
                        "phase": "end" if step == schedule.steps else "trunk",
                    }  # fmt: skip
                    rows.append({**common, "eval_set": f"{side}/dense", "value": value})
                    if step == schedule.steps:
                        rows.append({**common, "eval_set": side, "value": value + 0.002})
    for side in ("general", "domain"):
        for eval_set in (side, f"{side}/dense"):
            rows.append(
                {
                    "run_id": "base", "step": BASE.steps, "N": N, "D": 0, "r": 0.0, "seed": 7,
                    "eta": BASE.rates()[-1], "role": side, "metric": "loss", "schedule": BASE.text,
                    "base_schedule": "", "phase": "base", "eval_set": eval_set, "value": start[side],
                }
            )  # fmt: skip
    if pretraining:
        rows += on_the_way(noise, draw, mixtures)
    return pd.DataFrame(rows)


def on_the_way(noise: float, draw: np.random.Generator, mixtures: bool) -> list[dict[str, object]]:
    """The base's own losses, every 20 steps."""
    rows = []
    steps = np.arange(20, BASE.steps, 20)
    joined = JoinedSchedule(BASE, TRUNK)
    for side in ("general", "domain"):
        seen = true_losses(side, joined, steps, 0.5, mixtures) + noise * draw.standard_normal(len(steps))
        rows += [
            {
                "run_id": "base", "step": step, "N": N, "D": step * TOKENS, "r": 0.0, "seed": 7,
                "eta": BASE.rates()[step - 1], "role": side, "metric": "loss", "schedule": BASE.text,
                "base_schedule": "", "phase": "pretraining", "eval_set": f"{side}/dense", "value": value,
            }
            for step, value in zip(steps, seen, strict=True)
        ]  # fmt: skip
    return rows


def log(
    schedule: Schedule, first: int = 1, every: int = 20, noise: float = 1e-3, seed: int = 0
) -> pd.DataFrame:
    """Somebody's log of one pre-training run: step, lr, loss; it may begin behind the warm-up."""
    law = get_curve_law("intrinsic-power")
    values = dict(zip(law.names, [2.6, 0.45, 0.55, 60.0, 2000.0, 0.6], strict=True))
    steps = np.arange(first, schedule.steps + 1, every)
    history = RateHistory(schedule.rates(), 0, schedule.rising)
    loss = law.evaluate(values, [Curve("x", history, steps, np.ones(len(steps)))])
    loss = loss + noise * np.random.default_rng(seed).standard_normal(len(steps))
    return pd.DataFrame({"step": steps, "lr": schedule.rates()[steps - 1], "loss": loss})
