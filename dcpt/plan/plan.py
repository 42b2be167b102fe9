"""A plan: the ratio, how sure it is, what it should give, and every reason for doubt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dcpt.core import files
from dcpt.core.run_spec import to_dict
from dcpt.core.symbols import DOMAIN, GENERAL
from dcpt.fit.unit_words import unit_words
from dcpt.plan.bands import PARTS, PredictedLoss
from dcpt.plan.base_loss import BaseLoss
from dcpt.plan.baselines import Baseline
from dcpt.plan.binding import Binding, binding_words
from dcpt.plan.caveat import Caveat
from dcpt.plan.evidence import LawUsed
from dcpt.plan.kept_limit import KeptLimit
from dcpt.plan.objective import Objective
from dcpt.plan.supply.answer import Price
from dcpt.plan.verdict import Verdict, verdict_line

SCHEMA_VERSION = 2
FILE_NAME = "plan.json"


def curve_column(label: str, part: str) -> str:
    """Column of a trade-off curve: ``general`` for the mean, ``general_lo``, ``general_obs_lo`` ..."""
    return f"{label}{part.removeprefix('mean')}" if part.startswith("mean") else f"{label}_{part}"


CURVE_COLUMNS = ("r", *(curve_column(side, part) for side in (GENERAL, DOMAIN) for part in PARTS))
"""Columns of every trade-off curve: the mean loss of each side, its interval, and that of a run. Further
evaluation sets have columns of the same endings."""


@dataclass(frozen=True, repr=False, eq=False)
class Plan:
    """The answer to an objective.

    Attributes
    ----------
    objective : Objective
        The question.
    metric, unit : str
        Metric and unit of every loss in the plan: those of the fits.
    N, D : float
        Size and tokens of the planned run: the objective's, or chosen.
    r : float
        Domain share of tokens with the lowest objective among those that keep every limit.
    r_lo, r_hi : float or None
        Interval of `r` at the objective's level; None when the fits carry no draws.
    r_cautious : float or None
        The ratio of the best run of this size that keeps every limit in at least the level's share of the
        draws.
    kept_at_r : float or None
        Share of the draws in which the planned run keeps every limit: about one half when one binds.
    infeasible_share : float or None
        Share of the draws in which nothing keeps them.
    intervals : mapping of str to tuple of float
        Intervals of what was chosen beside the ratio: ``N``, ``D``.
    losses : mapping of str to PredictedLoss
        Losses of the planned run: ``general``, ``domain``, and further sets by name.
    limits : tuple of KeptLimit
        What is kept.
    bases : mapping of str to BaseLoss
        Losses of the base before continual pre-training, where they are known.
    binding : str
        What keeps the objective from falling further (see `dcpt.plan.binding`), and
    bound : str
        which loss or side that is.
    prices : tuple of Price
        What 1 % more of each constraint is worth, where that was worked out.
    epochs : mapping of str to float
        Passes over each side's pool.
    searched, tested : tuple of float
        Ratios searched, and ratios the laws were fitted on.
    curve : DataFrame
        Losses along the ratio at N and D, columns `CURVE_COLUMNS` and those of further sets.
    front : DataFrame
        Pareto front of general and domain loss (`dcpt.plan.front.COLUMNS`).
    draws : DataFrame
        The answer of every draw (`dcpt.plan.draw_answers.draw_frame`).
    by_size : DataFrame
        The sizes there were to choose from, where N was chosen.
    laws : mapping
        Label to the law used.
    fits_fingerprint : str
        Hash of the fits the plan rests on.
    how : mapping
        Label to how the interval of a run was made, in words.
    baselines : tuple of Baseline
        Other mixes beside the answer.
    caveats : tuple of Caveat
        Reasons for doubt, the heaviest first.
    verdict : str
        ``supported``, ``doubtful``, ``the data do not say`` or ``do not change your mix on this evidence``.
    cost : mapping
        ``flops``, ``tokens``, ``domain_tokens``, ``general_tokens`` and more.
    seed : int
        Seed of the offsets added to the draws.
    older_fingerprint : str or None
        Fingerprint of a plan read from a file of schema version 1.
    D_cautious : float or None
        Tokens that go with `r_cautious`, where the tokens were chosen too.
    """

    objective: Objective
    metric: str
    unit: str
    N: float
    D: float
    r: float
    r_lo: float | None
    r_hi: float | None
    r_cautious: float | None
    kept_at_r: float | None
    infeasible_share: float | None
    losses: Mapping[str, PredictedLoss]
    limits: tuple[KeptLimit, ...]
    bases: Mapping[str, BaseLoss]
    binding: Binding
    bound: str
    searched: tuple[float, ...]
    tested: tuple[float, ...]
    curve: pd.DataFrame
    front: pd.DataFrame
    draws: pd.DataFrame
    laws: Mapping[str, LawUsed]
    fits_fingerprint: str
    how: Mapping[str, str]
    baselines: tuple[Baseline, ...]
    caveats: tuple[Caveat, ...]
    verdict: Verdict
    cost: Mapping[str, float]
    seed: int = 0
    intervals: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    prices: tuple[Price, ...] = ()
    epochs: Mapping[str, float] = field(default_factory=dict)
    by_size: pd.DataFrame = field(default_factory=pd.DataFrame)
    older_fingerprint: str | None = None
    D_cautious: float | None = None

    @property
    def replay(self) -> float:
        """General share of the tokens, 1 - r."""
        return 1.0 - self.r

    @property
    def general(self) -> PredictedLoss:
        """Loss of the general side's first set at the answer."""
        return self.losses[GENERAL]

    @property
    def domain(self) -> PredictedLoss:
        """Loss of the domain side's first set at the answer."""
        return self.losses[DOMAIN]

    @property
    def limit(self) -> KeptLimit | None:
        """The limit on the general side's first set, if there is one."""
        return next((item for item in self.limits if item.label == GENERAL), None)

    @property
    def ceiling(self) -> float | None:
        """Highest loss allowed on the general side's first set, if it is limited."""
        return None if self.limit is None else self.limit.ceiling

    @property
    def base(self) -> BaseLoss | None:
        """General loss of the base before continual pre-training, if it is known."""
        return self.bases.get(GENERAL)

    @property
    def general_now(self) -> float | None:
        """The same as a number, in `unit`."""
        return None if self.base is None else self.base.value

    @property
    def r_draws(self) -> NDArray[np.float64]:
        """Best ratio of every draw, shape (draws,)."""
        return np.asarray(self.draws["r"].to_numpy(float))

    def name_of(self, label: str) -> str:
        """What a loss is called where there are several of a side: its evaluation set."""
        return self.laws[label].eval_set if len(self.losses) > 2 and label in self.laws else label

    @property
    def binding_words(self) -> str:
        """What keeps the objective from falling further, in words."""
        what = "balance" if len(self.objective.minimise) > 1 else "domain loss"
        name = self.name_of(self.bound) if self.binding == "ceiling" else self.bound
        return binding_words(self.binding, name, what)

    @property
    def outside(self) -> bool:
        """Whether the planned run lies outside what the laws were fitted on."""
        return any(caveat.kind.startswith("extrapolates") for caveat in self.caveats)

    @property
    def verdict_line(self) -> str:
        """The verdict in one sentence."""
        supported = f"the runs speak for a domain share of {self.r:.3f}"
        return verdict_line(self.verdict, self.caveats, supported, f"{self.r:.3f} is the best estimate")

    @property
    def fingerprint(self) -> str:
        """Hash of the plan, named by a comparison made against it."""
        return self.older_fingerprint or files.content_hash(self.to_dict())

    def table(self) -> pd.DataFrame:
        """Predicted losses, one row per set: mean, both intervals, limit, and loss before, if known.

        ``frame.attrs["unit"]`` names their unit.
        """
        limits = {item.label: item.ceiling for item in self.limits}
        now = {label: base.value for label, base in self.bases.items()}
        rows = [
            {"side": label, **to_dict(loss), "limit": limits.get(label), "before": now.get(label)}
            for label, loss in self.losses.items()
        ]
        frame = pd.DataFrame(rows).set_index("side").astype(float)
        frame.attrs["unit"] = self.unit
        return frame

    def summary(self) -> str:
        """The plan as text, the verdict last."""
        from dcpt.plan.plan_text import plan_text

        return plan_text(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; losses and ratios of the frames keep nine significant digits."""
        from dcpt.plan.plan_file import plan_to_dict

        return plan_to_dict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], where: str = "plan") -> Plan:
        """Build a plan from the values of `to_dict`.

        Raises
        ------
        DataError
            When a field is missing, unknown or of the wrong type.
        """
        from dcpt.plan.plan_file import plan_from_dict

        return plan_from_dict(document, where)

    def save(self, path: Path | str) -> Path:
        """Write the plan as JSON: to the file, or as ``plan.json`` into the folder."""
        path = Path(path)
        path = path / FILE_NAME if path.is_dir() else path
        return files.write_json(path, {"schema_version": SCHEMA_VERSION, **self.to_dict()})

    @classmethod
    def load(cls, path: Path | str) -> Plan:
        """Read a plan, of this schema version or the one before, from its file or the folder that holds it.

        Raises
        ------
        DataError
            When the file is absent or is not a plan.
        """
        from dcpt.plan.plan_file import read_plan

        path = Path(path)
        return read_plan(path / FILE_NAME if path.is_dir() else path)

    def __repr__(self) -> str:
        interval = "no interval" if self.r_lo is None else f"{self.r_lo:.3f} to {self.r_hi:.3f}"
        return f"Plan(r={self.r:.3f} ({interval}), {self.objective}; {self.verdict})"

    def _repr_html_(self) -> str:
        table = self.table().rename_axis(f"loss, {unit_words(self.unit)}")
        return str(table.to_html(float_format="%.4f", na_rep=""))
