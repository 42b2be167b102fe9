"""The evaluation protocol of the D-CPT paper, for any law: effectiveness and three generalisations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError, DataError, FitError
from dcpt.core.loss_table import LossTable
from dcpt.fit.dataset import FitData, prepare
from dcpt.fit.held_out import HeldOut, hold_out, law_fitter, laws_of, rows_for, sets_of
from dcpt.fit.objective import huber
from dcpt.fit.score import D_SEGMENT, RATIO_PAIR, SIZE
from dcpt.fit.splits import make_splits
from dcpt.fit.threads import one_thread
from dcpt.laws.law import HUBER_DELTA, Law

Array = NDArray[np.float64]

SCHEMA_VERSION = 1

EFFECTIVENESS = "effectiveness"

PARTS: Mapping[str, str | None] = MappingProxyType(
    {
        EFFECTIVENESS: None,
        "model size": SIZE,
        "dataset size": D_SEGMENT,
        "mixture ratio": RATIO_PAIR,
    }
)
"""Part of the protocol to the kind of hold-out it averages over (None: fit and judge on all rows)."""

OURS = (
    "R2 is 1 - SSE/SST of the losses themselves on the rows judged, about their own mean, averaged over "
    "splits; r2_log is the same of their logarithms.",
    "Huber is the mean over the rows judged of the Huber loss of the log residual; huber_sum is the sum.",
    "Segments of the token axis hold equal numbers of the distinct D, which for evaluations at equal "
    "distances are equal lengths.",
    "Several evaluation sets of a side are averaged before the sides are.",
    "Fits are free within the law's bounds, by our own solver.",
)
"""What the paper (Que et al. 2024, arXiv:2406.01375, Sec. 4) leaves open, and how it is settled here."""

COLUMNS = (
    *("law", "part", "eval_set", "role", "splits", "rows"),
    *("r2", "r2_log", "huber", "huber_sum", "mae", "mre", "unconverged"),
)
_NUMBERS = ("r2", "r2_log", "huber", "huber_sum", "mae", "mre")


@dataclass(frozen=True, eq=False, repr=False)
class Protocol:
    """Figures of the protocol. Made by `dcpt_protocol`.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row for each law, part and evaluation set: law, part, eval_set, role, splits, rows (judged in
        all splits together), r2, r2_log, huber, huber_sum, mae (loss units), mre (share of the loss),
        unconverged (refits that stopped early).
    refused : mapping
        "law on set" or "law on set, part" to why it was not judged.
    delta : float
        Huber threshold of the fits and of the figures.
    corners : bool
        Whether rows with r = 0 and r = 1 are among the fitted and judged ones.
    fingerprint : str
        Hash of the loss table.
    """

    frame: pd.DataFrame
    refused: Mapping[str, str]
    delta: float
    corners: bool
    fingerprint: str

    @property
    def averages(self) -> pd.DataFrame:
        """Figures by law, part and side; the side ``both`` is the mean of the two where both are there."""
        sides = self.frame.groupby(["law", "part", "role"], sort=False)[list(_NUMBERS)].mean()
        rows = []
        for (law, part), group in sides.groupby(level=["law", "part"], sort=False):
            rows += [{"law": law, "part": part, "role": key[2], **row} for key, row in group.iterrows()]
            if len(group) == 2:
                rows.append({"law": law, "part": part, "role": "both", **group.mean()})
        return pd.DataFrame(rows, columns=["law", "part", "role", *_NUMBERS])

    def summary(self) -> str:
        """The figures as a table: R2 and Huber per side and averaged, and what is ours in them."""
        lines = [
            f"D-CPT protocol (Huber threshold {self.delta:g}, r = 0 and r = 1 "
            f"{'included' if self.corners else 'left out'})"
        ]
        averages = self.averages
        for law, of_law in averages.groupby("law", sort=False):
            sides = list(dict.fromkeys(averages["role"]))
            heads = "".join(f"{f'R2 {side}':>13}{f'Huber {side}':>16}" for side in sides)
            lines += ["", f"  {law:22}{heads}"]
            for part, of_part in of_law.groupby("part", sort=False):
                found = of_part.set_index("role")
                cells = "".join(
                    f"{found.loc[side, 'r2']:13.4f}{found.loc[side, 'huber']:16.3e}"
                    if side in found.index
                    else f"{'-':>13}{'-':>16}"
                    for side in sides
                )
                splits = self.frame.loc[(self.frame["law"] == law) & (self.frame["part"] == part), "splits"]
                lines.append(f"  {f'{part} ({splits.max()})':22}{cells}")
        if self.refused:
            lines += ["", "  not judged:", *(f"  {which}: {why}" for which, why in self.refused.items())]
        lines += ["", "  In brackets: the number of fits. Where the paper is silent:"]
        lines += [f"  - {choice}" for choice in OURS]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; figures that do not exist are null."""
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": "protocol",
            "protocol": "d-cpt",
            "delta": self.delta,
            "corners": self.corners,
            "fingerprint": self.fingerprint,
            "conventions": list(OURS),
            "refused": dict(self.refused),
            "rows": _records(self.frame),
            "averages": _records(self.averages),
        }

    def __repr__(self) -> str:
        return f"Protocol({', '.join(self.frame['law'].unique())}; {len(self.frame)} figures)"


def dcpt_protocol(
    table: LossTable,
    eval_sets: str | Sequence[str] | None = None,
    laws: str | Law | Sequence[str | Law] = "d-cpt",
    *,
    metric: str = "loss",
    corners: bool = True,
    delta: float = HUBER_DELTA,
) -> Protocol:
    """Judge laws as the D-CPT paper judges its own (Que et al. 2024, arXiv:2406.01375, Sec. 4).

    Effectiveness fits and judges all rows. Model size leaves out each size in turn, dataset size each
    of three segments of the token axis, mixture ratio every pair of ratios (36 pairs of nine ratios).

    Parameters
    ----------
    table : LossTable
        Measured losses.
    eval_sets : str or sequence of str, optional
        By default ``general`` and ``domain`` when the table has them, otherwise all sets.
    laws : str, Law or sequence of them
        Laws to judge; ``"auto"`` for every registered one the data have the inputs of.
    metric, delta
        As in `fit_law`.
    corners : bool
        Whether rows with r = 0 and r = 1 take part, as they do in the paper; `fit_law` leaves them out.

    Returns
    -------
    Protocol

    Raises
    ------
    ConfigError
        When a set or law is unknown, or a number is out of range.
    DataError
        When a set has no row to fit.
    FitError
        When no law can be judged.
    """
    if not delta > 0:
        raise ConfigError(f"protocol: delta is {delta}; wanted a Huber threshold above 0.")
    candidates = laws_of(laws)
    rows: list[dict[str, Any]] = []
    refused: dict[str, str] = {}
    with one_thread():
        for eval_set in sets_of(table, eval_sets):
            data, _ = prepare(table, eval_set, metric=metric, corners=corners)
            parts = {part: make_splits(data, [kind]) for part, kind in PARTS.items() if kind}
            splits = [split for part in parts.values() for split in part]
            for law in candidates:
                which = f"{law.name} on {eval_set}"
                try:
                    own = rows_for(law, table, data, corners=corners)
                    held = hold_out(law_fitter(law, delta), law.name, own, splits, law)
                except (ConfigError, DataError, FitError) as error:
                    refused[which] = error.message
                    continue
                rows.append(_figures(EFFECTIVENESS, held, data, [(held.fitted, data.loss)], (), delta))
                first = 0
                for part, of_part in parts.items():
                    numbers = range(first, first + len(of_part))
                    first += len(of_part)
                    lost = [held.refused[number] for number in numbers if number in held.refused]
                    if not of_part or lost:
                        reason = lost[0] if lost else "the data do not allow this hold-out."
                        refused[f"{which}, {part}"] = reason
                        continue
                    pairs = [(held.predicted[i], data.loss[splits[i].out]) for i in numbers]
                    rows.append(_figures(part, held, data, pairs, numbers, delta))
    if not rows:
        raise FitError("protocol: no law could be judged; " + " ".join(refused.values()))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    order = {law.name: index for index, law in enumerate(candidates)}
    place = {part: index for index, part in enumerate(PARTS)}
    key = frame["law"].map(order) * len(PARTS) + frame["part"].map(place)
    frame = frame.iloc[np.argsort(key.to_numpy(), kind="stable")].reset_index(drop=True)
    return Protocol(frame, MappingProxyType(refused), float(delta), corners, table.fingerprint)


def _figures(
    part: str,
    held: HeldOut,
    data: FitData,
    pairs: Sequence[tuple[Array, Array]],
    numbers: Sequence[int],
    delta: float,
) -> dict[str, Any]:
    """Figures of one law, part and set: means over the splits."""
    splits = [_one(predicted, measured, delta) for predicted, measured in pairs]
    means = {name: float(np.mean([split[name] for split in splits])) for name in _NUMBERS}
    return {
        **{"law": held.model, "part": part, "eval_set": data.eval_set, "role": data.role},
        **{"splits": len(pairs), "rows": sum(len(measured) for _, measured in pairs), **means},
        "unconverged": len(set(numbers) & set(held.unconverged)),
    }


def _one(predicted: Array, measured: Array, delta: float) -> dict[str, float]:
    error, residual = predicted - measured, np.log(predicted / measured)
    losses = huber(residual, delta)
    return {
        "r2": _r2(error, measured),
        "r2_log": _r2(residual, np.log(measured)),
        "huber": float(losses.mean()),
        "huber_sum": float(losses.sum()),
        "mae": float(np.abs(error).mean()),
        "mre": float((np.abs(error) / measured).mean()),
    }


def _r2(error: Array, measured: Array) -> float:
    total = float(((measured - measured.mean()) ** 2).sum())
    return 1.0 - float((error**2).sum()) / total if total > 0 else float("nan")


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {
            str(name): None if isinstance(value, float) and not np.isfinite(value) else value
            for name, value in row.items()
        }
        for row in frame.to_dict("records")
    ]
