"""Laws judged on domains they have not seen: every one, or every two, left out in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from dcpt.core.errors import ConfigError, DataError, FitError
from dcpt.core.loss_table import LossTable
from dcpt.core.symbols import DOMAIN
from dcpt.fit.baselines import BASELINES
from dcpt.fit.dataset import FitData
from dcpt.fit.domains import stack_domains
from dcpt.fit.held_out import HeldOut, baseline_fitter, checked_side, hold_out, law_fitter, laws_of
from dcpt.fit.ranking import COLUMNS, rank_models
from dcpt.fit.score import DOMAIN_ALONE, DOMAIN_PAIR
from dcpt.fit.short_run import ShortRun, common_short_run
from dcpt.fit.splits import LEAST_DOMAINS, Split, make_splits
from dcpt.fit.threads import one_thread
from dcpt.fit.tournament import Tournament
from dcpt.laws.law import Law

SCHEMA_VERSION = 1

LAWS = ("cross-d-cpt-k1", "cross-d-cpt-k2", "cross-d-cpt-k3", "cross-d-cpt-k4", "d-cpt")
"""Laws judged by default: the four of Que et al. 2024, and the one that cannot tell domains apart."""

KINDS = MappingProxyType({1: DOMAIN_ALONE, 2: DOMAIN_PAIR})
"""Number of domains left out together to the kind of hold-out."""

COEFFICIENTS = ("k1", "k2", "k3")


@dataclass(frozen=True, eq=False, repr=False)
class LeftDomains:
    """Errors on domains that were left out. Made by `leave_domains_out`.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row for each choice of left-out domains, domain among them and model: left_out (their names,
        joined by " + "), domain, model, law (whether it is one), rows, mae, mape, bias; errors in the
        loss's unit, mape as a share of the loss.
    tournament : Tournament
        The models ranked over all choices, each counting once.
    domains : tuple of str
        In their order.
    run : ShortRun or None
        The short run the domains are told apart by; None where no law looks at one.
    coefficients : mapping of str to mapping
        Domain to its k1, k2 and k3.
    """

    frame: pd.DataFrame
    tournament: Tournament
    domains: tuple[str, ...]
    run: ShortRun | None
    coefficients: Mapping[str, Mapping[str, float]]

    @property
    def by_choice(self) -> pd.DataFrame:
        """Mean absolute error of each choice (row) and model (column, best first), in the loss's unit."""
        weighed = self.frame.assign(total=self.frame["mae"] * self.frame["rows"])
        sums = weighed.groupby(["left_out", "model"], sort=False)[["total", "rows"]].sum()
        table = (sums["total"] / sums["rows"]).unstack("model")
        return table[[name for name in self.tournament.ranking(self.eval_set)["model"] if name in table]]

    @property
    def eval_set(self) -> str:
        """The held-out set the models are judged on."""
        return self.tournament.eval_sets[0]

    def summary(self) -> str:
        """The error of every choice of left-out domains, the ranking, and what the short run says."""
        from dcpt.fit.left_domains_text import left_domains_text

        return left_domains_text(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        run = None if self.run is None else {"N": self.run.N, "r": self.run.r, "D": list(self.run.D)}
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": "left_domains",
            "eval_set": self.eval_set,
            "domains": list(self.domains),
            "short_run": run,
            "coefficients": {name: dict(values) for name, values in self.coefficients.items()},
            "rows": self.frame.to_dict("records"),
            "tournament": self.tournament.to_dict(),
        }

    def __repr__(self) -> str:
        return f"LeftDomains({', '.join(self.domains)}; {self.tournament!r})"


def leave_domains_out(
    tables: Mapping[str, LossTable],
    laws: str | Law | Sequence[str | Law] = LAWS,
    *,
    left_out: int = 2,
    run: ShortRun | None = None,
    eval_set: str = DOMAIN,
    metric: str = "loss",
    corners: bool = False,
    delta: float | None = None,
    level: float = 0.9,
    seed: int = 0,
) -> LeftDomains:
    """Fit laws to all domains but one or two, predict these, and so for every choice of them.

    Parameters
    ----------
    tables : mapping of str to LossTable
        Domain to its losses, each with the held-out set `eval_set`.
    laws : sequence of str or Law
        Laws to judge, beside the baselines.
    left_out : {2, 1}
        Domains left out together: two, as in the paper's 15 choices of six domains, or one.
    run : ShortRun, optional
        The short run that tells domains apart; by default `common_short_run` where a law needs one.
    eval_set, metric, corners, delta
        As in `fit_law`.
    level, seed : float, int
        Probability of the intervals of the ranking, and the seed of their resamples.

    Returns
    -------
    LeftDomains

    Raises
    ------
    ConfigError
        When there are too few domains, or a law or set is unknown.
    DataError
        When a table has no row to fit, or the short run is not in it.
    FitError
        When no law can be judged.

    References
    ----------
    Que et al. 2024, arXiv:2406.01375, generalisation of the cross-domain law.
    """
    if left_out not in KINDS:
        raise ConfigError(f"leave domains out: got {left_out} together; wanted 1 or 2.")
    least = LEAST_DOMAINS[KINDS[left_out]]
    if len(tables) < least:
        other = LEAST_DOMAINS[DOMAIN_ALONE]
        alone = left_out > 1 and len(tables) >= other
        raise ConfigError(
            f"leaving out {left_out} of {len(tables)} domain{'s' * (len(tables) != 1)} "
            f"({', '.join(tables)}) keeps too few to tell domains apart; wanted {least} domains or more.",
            hint="leave out one at a time: --protocol leave-1-domain (left_out=1)"
            if alone
            else "one table of losses for each domain",
        )
    candidates = laws_of(laws)
    needs_run = any(set(COEFFICIENTS) & set(law.inputs) for law in candidates)
    if run is None and needs_run:
        run = common_short_run(tables, metric=metric)
    data = stack_domains(tables, run if needs_run else None, eval_set, corners, metric)
    splits = make_splits(data, [KINDS[left_out]])
    names = tuple(tables)
    with one_thread():
        judged = [hold_out(baseline_fitter(name), name, data, splits, None) for name in BASELINES]
        refused: dict[str, str] = {}
        for law in candidates:
            try:
                judged.append(_judge(law, data, splits, delta))
            except (ConfigError, DataError, FitError) as error:
                refused[f"{law.name} on {eval_set}"] = error.message
    if not any(item.law for item in judged):
        raise FitError(f"no law could be judged on {eval_set}: {' '.join(refused.values())}")
    for item in judged:
        for number, reason in item.refused.items():
            refused.setdefault(f"{item.model} on {eval_set}, {_label(data, splits[number], names)}", reason)
    rows = [row for item in judged for row in _errors(item, data, splits, names)]
    ranking = pd.DataFrame(rank_models(data, splits, judged, level, seed), columns=list(COLUMNS))
    found = {} if run is None else _coefficients(data, names)
    return LeftDomains(
        frame=pd.DataFrame(rows),
        tournament=Tournament(ranking, MappingProxyType(refused), level, delta, seed, ""),
        domains=names,
        run=run if needs_run else None,
        coefficients=MappingProxyType(found),
    )


def _judge(law: Law, data: FitData, splits: Sequence[Split], delta: float | None) -> HeldOut:
    """Hold-outs of one law.

    Raises
    ------
    DataError
        When a domain's coefficients are outside what the law is declared for.
    """
    for name in law.inputs:
        if name in COEFFICIENTS and not (data.extra[name] > 0).all():
            least = float(data.extra[name].min())
            raise DataError(f"{name} is {least:.3g} for a domain; law {law.name} wants it above 0.")
    return hold_out(law_fitter(law, delta), law.name, checked_side(law, data), splits, law)


def _coefficients(data: FitData, names: Sequence[str]) -> dict[str, dict[str, float]]:
    codes = data.extra["domain"]
    return {
        name: {key: float(data.extra[key][codes == code][0]) for key in COEFFICIENTS}
        for code, name in enumerate(names)
    }


def _label(data: FitData, split: Split, names: Sequence[str]) -> str:
    return " + ".join(names[int(code)] for code in np.unique(data.extra["domain"][split.out]))


def _errors(
    item: HeldOut, data: FitData, splits: Sequence[Split], names: Sequence[str]
) -> list[dict[str, Any]]:
    """Errors of one model on every left-out domain of every choice."""
    found = []
    for number, split in enumerate(splits):
        if number in item.refused:
            continue
        codes, measured = data.extra["domain"][split.out], data.loss[split.out]
        for code in np.unique(codes):
            mine = codes == code
            error = item.predicted[number][mine] - measured[mine]
            found.append(
                {
                    "left_out": _label(data, split, names),
                    "domain": names[int(code)],
                    "model": item.model,
                    "law": item.law,
                    "rows": int(mine.sum()),
                    "mae": float(np.abs(error).mean()),
                    "mape": float((np.abs(error) / measured[mine]).mean()),
                    "bias": float(error.mean()),
                }
            )
    return found
