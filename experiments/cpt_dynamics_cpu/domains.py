"""The joint laws of curves beside laws of end points, on the sweeps of domains_cpu.

python experiments/cpt_dynamics_cpu/domains.py [DOMAIN ...] [law_cpu] [parts]

Three questions: the ends of the target, 3.3 times the largest proxy; the proxies' ends at the longest budget
from budgets up to its half; and the target's ends there from the same. End-point laws are fitted to the ends
of decayed runs, joint laws to those and to the checkpoints of the constant-rate trunks.

With `parts`: the error on the ends of the target, and the bias, of the joint laws with parts left out.
"""

from __future__ import annotations

import importlib.util
import sys
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd

from dcpt.core.curve import Curve, RateHistory
from dcpt.core.errors import DcptError
from dcpt.core.loss_table import LossTable
from dcpt.core.schedule import Schedule
from dcpt.fit.dataset import prepare
from dcpt.fit.held_out import law_fitter
from dcpt.fit.loss_curves import fit_curves
from dcpt.laws import get_law
from dcpt.laws.curves import CurveLaw, get_curve_law

ROOT = Path(__file__).resolve().parents[2]
SWEEPS = ROOT / "experiments/domains_cpu"
DELTA = 1e-2
LAWS = {
    "general": ("anchored-shift", "base-surface", "d-cpt"),
    "domain": ("base-surface", "size-mixture", "d-cpt"),
}
STEP = 2048
BASE = {"steps": 800, "warmup": 80, "decay": 160}
REWARM = 10


def history_of(peak: float, steps: int, decays: bool) -> RateHistory:
    """Rates of a run of the sweeps, which sweep.yaml says: the base's peak is three times the run's."""
    pre = Schedule("wsd", peak=3 * peak, shape="1-sqrt", **BASE)
    run = (
        Schedule("wsd", peak=peak, steps=steps, warmup=REWARM, decay=round(0.2 * steps), shape="1-sqrt")
        if decays
        else Schedule("constant", peak=peak, steps=steps, warmup=REWARM)
    )
    rates, rising = np.append(pre.rates(), run.rates()), np.append(pre.rising, run.rising)
    return RateHistory(rates, pre.steps, rising)


def table_of(domain: str) -> LossTable:
    """The sweep of a domain; law_cpu with its launched runs."""
    if domain != "law_cpu":
        return LossTable.read(SWEEPS / domain / "losses.csv")
    files = (ROOT / "experiments/law_cpu/losses.csv", ROOT / "fits/law_cpu/launched.csv")
    frame = pd.concat([LossTable.read(path).frame for path in files])
    return LossTable.from_frame(frame.drop_duplicates(["run_id", "step", "eval_set", "metric"]))


def curves_of(table: LossTable, side: str) -> list[Curve]:
    """One curve per trunk, and one point per decayed run."""
    frame = table.frame[table.frame["metric"] == "loss"]
    base = frame[frame["phase"] == "base"]
    bases = {name: base[base["eval_set"] == name].set_index("N")["value"] for name in (side, "general")}
    own = frame[(frame["eval_set"] == side) & (frame["phase"] != "base") & frame["r"].between(0.05, 0.95)]
    made = []
    for (N, r, seed), rows in own.groupby(["N", "r", "seed"]):
        trunk = rows[rows["phase"] == "trunk"].sort_values("step")
        peak = float(trunk["eta"].max())
        given = {
            "N": float(N),
            "s": r if side == "domain" else 1 - r,
            "r": float(r),
            "L0": float(bases[side][N]),
            "G0": float(bases["general"][N]),
        }
        run = f"{N:.0f}-{r:g}-{seed}"
        parts = [("trunk", trunk)]
        parts += [("end", end) for _, end in rows[rows["phase"] == "end"].groupby("step")]
        for kind, part in parts:
            steps = part["step"].to_numpy(np.int64)
            history = history_of(peak, int(steps[-1]), kind == "end")
            if not np.isclose(history.rates[-1], part["eta"].iloc[-1], rtol=1e-3):
                raise DcptError(f"run {run}: the last rate is not that of the schedule")
            name = f"{run}-{kind}{steps[-1]}"
            loss = part["value"].to_numpy()
            made.append(
                Curve(name, history, steps + history.switch, loss, given, run, eval_set=side, side=side)
            )
    return made


def joint_errors(curves: list[Curve], side: str, target: float) -> pd.DataFrame:
    """Relative errors of the joint law of the side on the ends of each question."""
    proxies = [curve for curve in curves if curve.given["N"] < target]
    ends = [curve for curve in curves if "end" in curve.name]
    longest = max(len(curve.history) - curve.history.switch for curve in proxies)
    short = []
    for curve in proxies:
        early = curve.steps <= curve.history.switch + longest // 2
        if early.any():
            short.append(curve.take(early))
    law = f"joint-{side}"
    whole, half = (fit_curves(law, part, delta=DELTA) for part in (proxies, short))
    rows = []
    for curve in ends:
        steps, N = len(curve.history) - curve.history.switch, curve.given["N"]
        asked = [("target", whole)] if target == N else []
        if steps == longest:
            asked += [("length, target" if target == N else "length", half)]
        for question, fit in asked:
            error = float(fit.mean(curve)[-1] / curve.loss[-1] - 1)
            rows.append((question, steps * STEP, curve.given["r"], law, error))
    return pd.DataFrame(rows, columns=["question", "D", "r", "model", "error"])


def end_errors(table: LossTable, side: str, target: float) -> pd.DataFrame:
    """The same for the laws of end points."""
    parts = []
    for name in LAWS[side]:
        law = get_law(name)
        data, _ = prepare(table, side, law=law)
        late = 0.6 * data.D.max() < data.D
        proxy = target > data.N
        for question, fitted, judged in (
            ("target", proxy, ~proxy),
            ("length", proxy & ~late, proxy & late),
            ("length, target", proxy & ~late, ~proxy & late),
        ):
            predicted, _ = law_fitter(law, law.delta)(data.take(fitted))
            error = predicted(data.take(judged)) / data.loss[judged] - 1
            place = {"question": question, "D": data.D[judged], "r": data.r[judged]}
            parts.append(pd.DataFrame({**place, "model": name, "error": error}))
    return pd.concat(parts)


def peer() -> ModuleType:
    """compare.py of domains_cpu, for its table with paired intervals."""
    spec = importlib.util.spec_from_file_location("domains_compare", SWEEPS / "compare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PARTS: dict[str, dict[str, dict[str, float]]] = {
    "general": {
        "joint-general": {},
        "without annealing, C = 0": {"C": 0.0},
        "logarithm of the share, k = 0": {"k": 0.0},
        "pace of the gain without N, p = 0": {"p": 0.0},
        "cost without N, v = 0": {"v": 0.0},
        "floor without N, w = 0": {"w": 0.0},
    },
    "domain": {"joint-domain": {}, "without annealing, C = 0": {"C": 0.0}},
}


def print_parts(tables: dict[str, LossTable]) -> None:
    """Error and bias on the target's ends, by what the fit leaves out."""
    for side, forms in PARTS.items():
        kept = {name: curves_of(table, side) for name, table in tables.items()}
        whole = get_curve_law(f"joint-{side}")
        free: CurveLaw = type("Tried", (type(whole),), {"prior": {}})()
        tried = [(name, whole, fixed, "") for name, fixed in forms.items()]
        tried += [("without priors", free, {}, "")]
        tried += [(f"{name}; ends alone", whole, forms[name], "end") for name in list(forms)[:2]]
        print(f"\n{side:42s}" + "".join(f"{name:>16s}" for name in tables))
        for label, law, fixed, kind in tried:
            cells = []
            for curves in kept.values():
                target = max(curve.given["N"] for curve in curves)
                proxies = [c for c in curves if c.given["N"] < target and kind in c.name]
                fit = fit_curves(law, proxies, delta=DELTA, fixed=fixed)
                ends = [c for c in curves if c.given["N"] == target and "end" in c.name]
                error = np.array([100 * (fit.mean(c)[-1] / c.loss[-1] - 1) for c in ends])
                cells.append(f"{np.abs(error).mean():8.2f} ({error.mean():+.2f})")
            print(f"  {label:40s}" + "".join(cells))


def main() -> None:
    warnings.simplefilter("ignore")
    named = [word for word in sys.argv[1:] if word != "parts"]
    domains = named or [path.parent.name for path in sorted(SWEEPS.glob("*/losses.csv"))]
    if "parts" in sys.argv[1:]:
        print_parts({name: table_of(name) for name in domains})
        return
    found = []
    for domain in domains:
        table = table_of(domain)
        target = float(table.frame["N"].max())
        for side in LAWS:
            joint = joint_errors(curves_of(table, side), side, target)
            part = pd.concat([joint, end_errors(table, side, target)])
            found.append(part.assign(domain=domain, side=side))
    rows = pd.concat(found, ignore_index=True)
    rows = rows.assign(obs=np.nan, width=np.nan, mean=np.nan, fitted=np.nan)
    ranked = peer().table_of
    for question, part in rows.groupby("question", sort=False):
        shown = ranked(part).dropna(axis=1, how="all")
        print(f"\n{question}")
        print(shown.to_string(index=False, float_format=lambda value: f"{value:.2f}"))


if __name__ == "__main__":
    try:
        main()
    except DcptError as error:
        sys.exit(str(error))
