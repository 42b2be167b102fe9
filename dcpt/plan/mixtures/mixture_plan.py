"""The answer to a question about a mixture of many corpora, with everything needed to defend it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcpt.plan.caveat import Caveat
from dcpt.plan.mixtures.compared import Compared
from dcpt.plan.mixtures.prices import Price
from dcpt.plan.mixtures.question import MixtureQuestion
from dcpt.plan.mixtures.reach import Reach
from dcpt.plan.verdict import Verdict

SCHEMA_VERSION = 1
FILE = "mixture-plan.json"


@dataclass(frozen=True)
class CorpusShare:
    """One corpus in the answer.

    Attributes
    ----------
    corpus : str
        Its name.
    share : float
        Share of tokens.
    lo, hi : float
        Interval of the best share over the draws.
    alike_lo, alike_hi : float
        Least and greatest share in the mixtures that cannot be told from the answer.
    seen : float
        Greatest share in any run.
    tokens : float or None
        Training tokens from it, where the run's tokens are given.
    epochs : float or None
        Passes over its pool, where that is given too.
    """

    corpus: str
    share: float
    lo: float
    hi: float
    alike_lo: float
    alike_hi: float
    seen: float
    tokens: float | None = None
    epochs: float | None = None


@dataclass(frozen=True)
class TargetLoss:
    """The loss of one target at the answer.

    Attributes
    ----------
    target : str
        Its name.
    mean : float
        Expected loss.
    lo, hi : float
        Its interval.
    run_lo, run_hi : float
        Interval of the loss of one run.
    text : str
        Its limit as it was written; empty without one.
    ceiling : float or None
        The limit as a loss.
    kept : float or None
        Share of the draws in which it is kept.
    """

    target: str
    mean: float
    lo: float
    hi: float
    run_lo: float
    run_hi: float
    text: str = ""
    ceiling: float | None = None
    kept: float | None = None


@dataclass(frozen=True)
class Mix:
    """A mixture and what is expected of it.

    Attributes
    ----------
    shares : mapping of str to float
        Share of tokens of each corpus.
    value : float
        The goal.
    """

    shares: Mapping[str, float]
    value: float


@dataclass(frozen=True)
class AlikeMix:
    """A mixture that cannot be told from the answer; see `dcpt.plan.mixtures.alike.Alike`."""

    shares: Mapping[str, float]
    moved: float
    difference: float
    lo: float
    hi: float


@dataclass(frozen=True)
class HeldOutScores:
    """How well losses of runs were predicted that the fit had not seen, mean over the plan's targets.

    Attributes
    ----------
    mae, r2, spearman, regret, optimism, coverage : float
        See `dcpt.fit.mixtures.scores.MixtureScore`.
    runs : int
        Runs held out.
    """

    mae: float
    r2: float
    spearman: float
    regret: float
    optimism: float
    coverage: float
    runs: int


@dataclass(frozen=True)
class MixturePlan:
    """A mixture, how sure, at which price, beside what.

    Attributes
    ----------
    question : MixtureQuestion
        What was asked, with full names.
    predictor, fingerprint : str
        Which predictor answered, and the hash of the runs it was fitted to.
    value, lo, hi : float
        Expected goal of the answer, and its interval.
    noise : float
        Standard deviation of the goal between runs of one mixture.
    shares : tuple of CorpusShare
        The answer.
    losses : tuple of TargetLoss
        What is expected of it.
    optimum : Mix
        Best mixture of the means, from which the answer may lie a step back towards the runs.
    free : Mix
        The same without rules and limits.
    cautious : Mix or None
        Best mixture that keeps every limit at the plan's level; None without limits or such a mixture.
    prices : tuple of Price
        Constraints that bind at the optimum.
    reference : str
        What relative limits are measured from: a mixture, or the base before continual pre-training.
    compared : tuple of Compared
        Mixtures beside the answer.
    alike : tuple of AlikeMix
        Some that cannot be told from it, far from each other.
    regret, regret_hi : float
        Expected loss of the goal against knowing the best mixture, and its upper end.
    infeasible : float
        Share of the draws in which nothing keeps the limits.
    reach : Reach
        How far from the runs it lies.
    held_out : HeldOutScores
        Scores of the fit on runs it had not seen.
    caveats : tuple of Caveat
        Reasons for doubt, the heaviest first.
    verdict : str
        What they add up to.
    draws : mapping of str to tuple of float
        Per draw: ``share:NAME``, ``value`` (the draw's own best goal), ``answer`` (the goal of the answer in
        that draw), ``feasible`` (1 or 0).
    seed : int
        Of pools and draws.
    N, D : float or None
        Size and training tokens of the runs that the losses are those of, where they are known.
    """

    question: MixtureQuestion
    predictor: str
    fingerprint: str
    value: float
    lo: float
    hi: float
    noise: float
    shares: tuple[CorpusShare, ...]
    losses: tuple[TargetLoss, ...]
    optimum: Mix
    free: Mix
    cautious: Mix | None
    prices: tuple[Price, ...]
    reference: str
    compared: tuple[Compared, ...]
    alike: tuple[AlikeMix, ...]
    regret: float
    regret_hi: float
    infeasible: float
    reach: Reach
    held_out: HeldOutScores
    caveats: tuple[Caveat, ...]
    verdict: Verdict
    draws: Mapping[str, tuple[float, ...]]
    seed: int
    N: float | None = None
    D: float | None = None

    @property
    def mixture(self) -> dict[str, float]:
        """Share of tokens of each corpus; sums to 1."""
        return {item.corpus: item.share for item in self.shares}

    @property
    def verdict_line(self) -> str:
        """The verdict in one sentence."""
        from dcpt.plan.verdict import verdict_line

        return verdict_line(
            self.verdict, self.caveats, "the runs speak for this mixture", "the best estimate"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values with a schema_version."""
        from dcpt.plan.mixtures.mixture_plan_file import mixture_plan_to_dict

        return mixture_plan_to_dict(self)

    def write(self, path: Path | str) -> Path:
        """Write the plan as JSON, atomically; `read_mixture_plan` reads it."""
        from dcpt.core.files import write_json

        return write_json(path, self.to_dict())

    def __str__(self) -> str:
        from dcpt.plan.mixtures.mixture_plan_text import mixture_plan_text

        return mixture_plan_text(self)
