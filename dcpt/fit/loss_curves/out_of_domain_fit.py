"""Losses on third data sets from those of the two sides: fitted, tried on what was left out, predicted."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError, DataError, FitError
from dcpt.core.symbols import DENSE, DOMAIN, GENERAL, ROLES
from dcpt.fit.loss_curves.base_curves import ON_THE_WAY
from dcpt.fit.loss_curves.curve_rows import CurveRows
from dcpt.laws.curves.out_of_domain import LEAST_R2, OutOfDomain, fit_out_of_domain

Array = NDArray[np.float64]

FEWEST_SHARES = 3
"""Mixtures from which on each is left out in turn; with fewer of them every run is."""

SIZES_DIFFER = 1.25
"""Ratio of errors from which one combination for all sizes is doubted: on experiments/cpt_dynamics_cpu, with
parts of the general corpora as third sets, it is 1.6 to 1.9."""


@dataclass(frozen=True, eq=False)
class OutOfDomainFit:
    """The combination that describes one third set.

    Attributes
    ----------
    eval_set : str
        The third set.
    general_set, domain_set : str
        Sets whose losses are combined.
    law : OutOfDomain
        The coefficients, and how well they describe what was measured.
    rmse : float
        Root mean square error on the checkpoints it was fitted to, nats per token.
    held_out : float, optional
        The same on mixtures, or runs, that a refit had not seen; None where too few, or too alike.
    left_out : str
        What was left out in turn: ``4 mixtures``.
    by_size : float, optional
        Root mean square error of a combination for every size by itself; None where there is one size, or
        too few losses of one.
    ranges : mapping
        Set to the least and largest loss of it that was fitted.
    """

    eval_set: str
    general_set: str
    domain_set: str
    law: OutOfDomain
    rmse: float
    held_out: float | None
    left_out: str
    by_size: float | None
    ranges: Mapping[str, tuple[float, float]]

    @property
    def unseen(self) -> float:
        """Error that predictions carry beside those of the two losses, nats per token."""
        return self.rmse if self.held_out is None else max(self.rmse, self.held_out)

    @property
    def doubts(self) -> tuple[str, ...]:
        """Reasons not to lean on it."""
        said = []
        if not self.law.promises:
            said.append(
                f"{self.eval_set}: the combination explains {self.law.r2:.2f} of the variance, less than "
                f"{LEAST_R2:g}: it is not used to predict."
            )
        if self.held_out is None:
            said.append(f"{self.eval_set}: runs too few or too alike to try the combination on unseen ones.")
        elif self.held_out > 2.0 * self.rmse:
            said.append(
                f"{self.eval_set}: where {self.left_out} were left out in turn the error is "
                f"{self.held_out / self.rmse:.1f} times that on the fitted checkpoints."
            )
        if self.by_size is not None and self.rmse > SIZES_DIFFER * self.by_size:
            said.append(
                f"{self.eval_set}: one combination for all sizes errs by {self.rmse:.4f}, one for each by "
                f"{self.by_size:.4f}: fit the size that is asked about by itself (--where N=...)."
            )
        return tuple(said)

    def predict(self, general: pd.DataFrame, domain: pd.DataFrame, level: float) -> pd.DataFrame:
        """Losses on the third set, from predictions of the two others along the same run.

        The intervals add the errors of the two as if both erred together, the way that is worst for the
        combination, and the error on what was left out; those of an observation add the scatter of the
        fitted checkpoints.

        Parameters
        ----------
        general, domain : pandas.DataFrame
            As `CurveFit.predict` returns them, with the same steps and level.
        level : float
            Their probability.

        Returns
        -------
        pandas.DataFrame
            Columns step, mean, mean_lo, mean_hi, obs_lo, obs_hi, extrapolates; its ``attrs["warnings"]`` say
            why.

        Raises
        ------
        FitError
            When the combination does not describe what was measured.
        """
        mean = self.law.predict(general["mean"], domain["mean"])
        z = NormalDist().inv_cdf(0.5 + level / 2)
        spread = np.zeros_like(mean)
        for weight, frame in ((self.law.general, general), (self.law.domain, domain)):
            half = 0.5 * (frame["mean_hi"] - frame["mean_lo"]).to_numpy(np.float64) / z
            spread += abs(weight) * half
        spread = np.hypot(spread, self.unseen)
        noisy = np.hypot(spread, self.rmse)
        beyond = np.zeros(len(mean), dtype=bool)
        for name, frame in ((self.general_set, general), (self.domain_set, domain)):
            low, high = self.ranges[name]
            value = frame["mean"].to_numpy(np.float64)
            beyond |= (value < low) | (value > high)
        warnings = [*general.attrs["warnings"], *domain.attrs["warnings"], *self.doubts]
        if beyond.any():
            warnings.append(
                f"{self.eval_set}: a loss of {self.general_set} or {self.domain_set} lies outside those the "
                "combination was fitted to."
            )
        found = pd.DataFrame(
            {
                "step": general["step"].to_numpy(),
                "mean": mean,
                "mean_lo": mean - z * spread,
                "mean_hi": mean + z * spread,
                "obs_lo": mean - z * noisy,
                "obs_hi": mean + z * noisy,
                "extrapolates": (general["extrapolates"] | domain["extrapolates"]).to_numpy(bool) | beyond,
            }
        )
        found.attrs["warnings"] = list(dict.fromkeys(warnings))
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        found = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        ranges = {name: list(pair) for name, pair in self.ranges.items()}
        return found | {"law": dataclasses.asdict(self.law), "ranges": ranges}

    @classmethod
    def from_json(cls, document: Mapping[str, Any], where: str) -> OutOfDomainFit:
        """Rebuild it from `to_json`.

        Raises
        ------
        DataError
            When a field is missing or is none of this.
        """
        try:
            values = {item.name: document[item.name] for item in dataclasses.fields(cls)}
            law = OutOfDomain(**values["law"])
            ranges = {str(name): (float(pair[0]), float(pair[1])) for name, pair in values["ranges"].items()}
            return cls(**(values | {"law": law, "ranges": ranges}))
        except KeyError as error:
            raise DataError(f"{where}: field {error.args[0]!r} of a combination is missing.") from None
        except (TypeError, ValueError, IndexError, AttributeError) as error:
            raise DataError(f"{where}: is no combination of two losses: {error}.") from None


def third_sets(rows: CurveRows) -> tuple[str, ...]:
    """Evaluation sets that are neither of the general nor of the domain side."""
    roles = rows.frame.groupby("eval_set", sort=False)["role"].first()
    return tuple(str(name) for name, role in roles.items() if role not in ROLES)


def fit_third_set(rows: CurveRows, eval_set: str, intercept: bool = True) -> OutOfDomainFit:
    """Fit the combination of one set to every checkpoint of continual pre-training that has all three losses.

    Parameters
    ----------
    rows : CurveRows
        Losses along runs.
    eval_set : str
        The third set.
    intercept : bool
        Whether a constant is added.

    Raises
    ------
    ConfigError
        When the set is not there, or is the general or domain set itself.
    DataError
        When there is no set of a side, or no checkpoint has all three losses.
    FitError
        When the checkpoints are too few, or the two losses move together in them.
    """
    if eval_set not in rows.eval_sets:
        raise ConfigError(f"out-of-domain: there is no set {eval_set!r}; found {', '.join(rows.eval_sets)}.")
    sides = {side: _set_of(rows, side, eval_set) for side in ROLES}
    if eval_set in sides.values():
        raise ConfigError(f"out-of-domain: {eval_set} is the set of a side itself; wanted a third one.")
    table = _together(rows, {**sides, "third": eval_set})
    try:
        law = _fitted(table, intercept)
    except FitError as error:
        hint = "leave the constant out: --fix intercept=0" if intercept and len(table) > 2 else error.hint
        raise FitError(f"{eval_set}: {error.message}", hint=hint) from None
    missed = _predicted(law, table) - table["third"].to_numpy()
    held_out, left_out = _held_out(table, intercept)
    return OutOfDomainFit(
        eval_set=eval_set,
        general_set=sides[GENERAL],
        domain_set=sides[DOMAIN],
        law=law,
        rmse=float(np.sqrt(np.mean(missed**2))),
        held_out=held_out,
        left_out=left_out,
        by_size=_by_size(table, intercept),
        ranges={name: (float(table[side].min()), float(table[side].max())) for side, name in sides.items()},
    )


def _set_of(rows: CurveRows, side: str, eval_set: str) -> str:
    """The side's set that was measured where the third one was: dense sets go with dense ones."""
    dense = f"{side}/{DENSE}"
    if eval_set.endswith(f"/{DENSE}") and dense in rows.eval_sets:
        return dense
    if side in rows.eval_sets:
        return side
    named = rows.frame.loc[rows.frame["role"] == side, "eval_set"].unique()
    own = [str(name) for name in named if name != eval_set]
    if len(own) == 1:
        return own[0]
    if own:
        raise DataError(f"the {side} side has {len(own)} sets and none pooled: {', '.join(own)}.")
    raise DataError(
        f"no evaluation set is of the {side} side; found {', '.join(rows.eval_sets)}.",
        hint=f"say which is: --role {rows.eval_sets[0]}={side}",
    )


def _together(rows: CurveRows, sets: Mapping[str, str]) -> pd.DataFrame:
    """One row per checkpoint with all three losses: general, domain, third, run_id, r, N."""
    key = ["run_id", "step"]
    frame = rows.frame[rows.frame["phase"] != ON_THE_WAY]
    found: pd.DataFrame | None = None
    for name, eval_set in sets.items():
        own = frame.loc[frame["eval_set"] == eval_set, [*key, "r", "N", "value"]]
        own = own.rename(columns={"value": name})
        found = own if found is None else found.merge(own.drop(columns=["r", "N"]), on=key)
    assert found is not None
    if not len(found):
        raise DataError(f"out-of-domain: no step of a run has losses of {', '.join(sets.values())} together.")
    return found


def _fitted(table: pd.DataFrame, intercept: bool) -> OutOfDomain:
    return fit_out_of_domain(table[GENERAL], table[DOMAIN], table["third"], intercept)


def _predicted(law: OutOfDomain, table: pd.DataFrame) -> Array:
    combined = law.intercept + law.general * table[GENERAL] + law.domain * table[DOMAIN]
    return np.asarray(combined, dtype=np.float64)


def _held_out(table: pd.DataFrame, intercept: bool) -> tuple[float | None, str]:
    """Error on mixtures, or runs, left out in turn; and what they were."""
    shares = table["r"].where(table["r"] > 0)  # the bases, of no mixture, always stay in
    groups, word = (shares, "mixtures") if shares.nunique() >= FEWEST_SHARES else (table["run_id"], "runs")
    names = list(groups.dropna().unique())
    if len(names) < 2:
        return None, ""
    squares = []
    for name in names:
        out = (groups == name).to_numpy(bool)
        try:
            law = _fitted(table[~out], intercept)
        except (DataError, FitError):  # the rest is too little, moves together or stands still
            return None, ""
        squares.append(float(np.mean((_predicted(law, table[out]) - table.loc[out, "third"]) ** 2)))
    return float(np.sqrt(np.mean(squares))), f"{len(names)} {word}"


def _by_size(table: pd.DataFrame, intercept: bool) -> float | None:
    """Error where every size has a combination of its own."""
    sizes = [own for _, own in table.groupby("N")]
    try:
        errors = [_predicted(_fitted(own, intercept), own) - own["third"].to_numpy() for own in sizes]
    except (DataError, FitError):  # a size of too few losses, or that move together, tells nothing
        return None
    return float(np.sqrt(np.mean(np.concatenate(errors) ** 2))) if len(errors) > 1 else None
