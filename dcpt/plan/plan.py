"""A plan: the ratio, how sure it is, what it should give, and every reason for doubt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dcpt.core import files
from dcpt.core.errors import ConfigError, DataError
from dcpt.core.run_spec import from_dict, to_dict
from dcpt.fit.unit_words import unit_words
from dcpt.plan.base_loss import BaseLoss
from dcpt.plan.caveat import Caveat
from dcpt.plan.evidence import LawUsed
from dcpt.plan.objective import Objective
from dcpt.plan.trade_off import Binding
from dcpt.plan.verdict import Verdict, verdict_line

SCHEMA_VERSION = 1
FILE_NAME = "plan.json"

CURVE_COLUMNS = (
    "r",
    *(f"{side}{part}" for side in ("general", "domain") for part in ("", "_lo", "_hi", "_obs_lo", "_obs_hi")),
)
"""Columns of the trade-off curve: the mean loss of each side, its interval, and that of a run."""

BINDING_WORDS: dict[Binding, str] = {
    "ceiling": "the general loss reaches its ceiling",
    "range": "the searched range of ratios ends",
    "none": "nothing binds: the domain loss has its minimum here",
}


@dataclass(frozen=True)
class PredictedLoss:
    """A predicted loss of the planned run, in the unit of the plan.

    ``mean_lo`` to ``mean_hi`` encloses the law's mean, ``obs_lo`` to ``obs_hi`` the loss of one run.
    """

    mean: float
    mean_lo: float
    mean_hi: float
    obs_lo: float
    obs_hi: float


@dataclass(frozen=True, repr=False, eq=False)
class Plan:
    """The answer to an objective.

    Attributes
    ----------
    objective : Objective
        The question.
    metric, unit : str
        Metric and unit of every loss in the plan: those of the fits of both sides.
    r : float
        Domain share of tokens with the lowest domain loss among those that keep the ceiling.
    r_lo, r_hi : float or None
        Interval of `r` at the objective's level; None when the fits carry no draws.
    r_cautious : float or None
        The best ratio that keeps the ceiling in at least the level's share of the draws.
    kept_at_r : float or None
        Share of the draws in which `r` keeps the ceiling: about one half when the ceiling binds.
    infeasible_share : float or None
        Share of the draws in which no ratio keeps it.
    general, domain : PredictedLoss
        Losses at `r`.
    ceiling : float
        Highest general loss allowed, in `unit`.
    base : BaseLoss or None
        The base's general loss before continual pre-training; None when it is not known nor needed.
    binding : {"ceiling", "range", "none"}
        What keeps the domain loss from falling further.
    searched, tested : tuple of float
        Ratios searched, and ratios the laws were fitted on.
    curve : DataFrame
        Losses along the ratio, columns `CURVE_COLUMNS`.
    r_draws : ndarray, shape (draws,)
        Best ratio of every draw; empty without draws.
    laws : mapping
        Side to the law used.
    fits_fingerprint : str
        Hash of the fits the plan rests on.
    how : mapping
        Side to how the interval of a run was made, in words.
    caveats : tuple of Caveat
        Reasons for doubt, the heaviest first.
    verdict : str
        ``supported``, ``doubtful`` or ``the data do not say``.
    cost : mapping
        ``flops``, ``tokens``, ``domain_tokens``, ``general_tokens``.
    seed : int
        Seed of the offsets added to the draws.
    """

    objective: Objective
    metric: str
    unit: str
    r: float
    r_lo: float | None
    r_hi: float | None
    r_cautious: float | None
    kept_at_r: float | None
    infeasible_share: float | None
    general: PredictedLoss
    domain: PredictedLoss
    ceiling: float
    base: BaseLoss | None
    binding: Binding
    searched: tuple[float, ...]
    tested: tuple[float, ...]
    curve: pd.DataFrame
    r_draws: NDArray[np.float64]
    laws: Mapping[str, LawUsed]
    fits_fingerprint: str
    how: Mapping[str, str]
    caveats: tuple[Caveat, ...]
    verdict: Verdict
    cost: Mapping[str, float]
    seed: int = 0

    @property
    def replay(self) -> float:
        """General share of the tokens, 1 - r."""
        return 1.0 - self.r

    @property
    def general_now(self) -> float | None:
        """General loss of the base before continual pre-training, in `unit`, if known."""
        return None if self.base is None else self.base.value

    @property
    def binding_words(self) -> str:
        """What keeps the domain loss from falling further, in words."""
        return BINDING_WORDS[self.binding]

    @property
    def verdict_line(self) -> str:
        """The verdict in one sentence."""
        return verdict_line(self.verdict, self.caveats, self.r)

    @property
    def fingerprint(self) -> str:
        """Hash of the plan, named by a comparison made against it."""
        return files.content_hash(self.to_dict())

    def table(self) -> pd.DataFrame:
        """Predicted losses, one row per side: mean, both intervals, limit, and loss before, if known.

        ``frame.attrs["unit"]`` names their unit.
        """
        limits = {"general": self.ceiling, "domain": None}
        now = {"general": self.general_now, "domain": None}
        rows = [
            {"side": side, **to_dict(getattr(self, side)), "limit": limits[side], "before": now[side]}
            for side in ("general", "domain")
        ]
        frame = pd.DataFrame(rows).set_index("side").astype(float)
        frame.attrs["unit"] = self.unit
        return frame

    def summary(self) -> str:
        """The plan as text, the verdict last."""
        from dcpt.plan.plan_text import plan_text

        return plan_text(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; losses and ratios keep nine significant digits."""
        document = {
            "objective": self.objective.model_dump(mode="json"),
            "curve": {name: _digits(self.curve[name].to_numpy(float)) for name in CURVE_COLUMNS},
            "r_draws": _digits(self.r_draws),
        }
        for name in _PLAIN:
            document[name] = to_dict(getattr(self, name))
        return document

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], where: str = "plan") -> Plan:
        """Build a plan from the values of `to_dict`.

        Raises
        ------
        DataError
            When a field is missing, unknown or of the wrong type.
        """
        expected = {"objective", "curve", "r_draws", *_PLAIN}
        odd = sorted(expected.symmetric_difference(document))
        if odd:
            problem = "is missing" if odd[0] in expected else "is unknown"
            raise DataError(f"{where}: field {odd[0]!r} {problem}.", hint="make the plan again")
        try:
            values = from_dict(_Plain, {name: document[name] for name in _PLAIN}, where)
            curve = pd.DataFrame({name: document["curve"][name] for name in CURVE_COLUMNS}, dtype=float)
            return cls(
                objective=Objective.of(document["objective"], f"{where}.objective"),
                curve=curve,
                r_draws=np.array(document["r_draws"], dtype=float),
                **{name: getattr(values, name) for name in _PLAIN},
            )
        except (ConfigError, KeyError, TypeError, ValueError) as error:
            message = error.message if isinstance(error, ConfigError) else f"{where}: {error!r}."
            raise DataError(message, hint="make the plan again") from None

    def save(self, path: Path | str) -> Path:
        """Write the plan as JSON: to the file, or as ``plan.json`` into the folder."""
        path = Path(path)
        path = path / FILE_NAME if path.is_dir() else path
        return files.write_json(path, {"schema_version": SCHEMA_VERSION, **self.to_dict()})

    @classmethod
    def load(cls, path: Path | str) -> Plan:
        """Read a plan from its file or from the folder that holds ``plan.json``.

        Raises
        ------
        DataError
            When the file is absent or is not a plan.
        """
        path = Path(path)
        path = path / FILE_NAME if path.is_dir() else path
        document = files.read_json(path, "a plan", SCHEMA_VERSION)
        document.pop("schema_version")
        return cls.from_dict(document, str(path))

    def __repr__(self) -> str:
        interval = "no interval" if self.r_lo is None else f"{self.r_lo:.3f} to {self.r_hi:.3f}"
        return f"Plan(r={self.r:.3f} ({interval}), {self.objective}; {self.verdict})"

    def _repr_html_(self) -> str:
        table = self.table().rename_axis(f"loss, {unit_words(self.unit)}")
        return str(table.to_html(float_format="%.4f", na_rep=""))


@dataclass(frozen=True)
class _Plain:
    """The fields of a plan that are plain JSON values, for the strict reader."""

    metric: str
    unit: str
    r: float
    r_lo: float | None
    r_hi: float | None
    r_cautious: float | None
    kept_at_r: float | None
    infeasible_share: float | None
    general: PredictedLoss
    domain: PredictedLoss
    ceiling: float
    base: BaseLoss | None
    binding: Binding
    searched: tuple[float, ...]
    tested: tuple[float, ...]
    laws: Mapping[str, LawUsed]
    fits_fingerprint: str
    how: Mapping[str, str]
    caveats: tuple[Caveat, ...]
    verdict: Verdict
    cost: Mapping[str, float]
    seed: int


_PLAIN = tuple(_Plain.__dataclass_fields__)


def _digits(values: NDArray[np.float64]) -> list[float]:
    return [float(f"{value:.9g}") for value in values]
