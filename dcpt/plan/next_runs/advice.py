"""The answer: candidates ranked by what they tell per FLOP, the batch to buy, and whether to buy at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dcpt.core.run_spec import to_dict
from dcpt.plan.next_runs.candidate import Candidate
from dcpt.plan.next_runs.stopping import Baseline, StopKind

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Offer:
    """A candidate with its price and what it is expected to do.

    Attributes
    ----------
    candidate : Candidate
        The runs.
    flops : float
        Training FLOPs, the bases of new sizes included.
    width : float
        Expected width of the interval of the ratio afterwards.
    regret : float
        Expected regret of acting afterwards, in the unit of the domain loss.
    gain : float
        Variance of the ratio taken away per FLOP, or expected regret: what offers are ranked by.
    why : str
        What it adds, in words.
    """

    candidate: Candidate
    flops: float
    width: float
    regret: float
    gain: float
    why: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "run": str(self.candidate),
            "kind": self.candidate.kind,
            "runs": [to_dict(cell) for cell in self.candidate.cells],
            "flops": self.flops,
            "width": self.width,
            "regret": self.regret,
            "gain_per_flop": self.gain,
            "why": self.why,
        }


@dataclass(frozen=True)
class Stop:
    """A reason to buy nothing more.

    Attributes
    ----------
    kind : {"regret", "shrink", "decision"}
        Which rule it is.
    message : str
        One sentence with its numbers.
    """

    kind: StopKind
    message: str


@dataclass(frozen=True)
class Advice:
    """Which runs to buy next.

    Attributes
    ----------
    r, r_lo, r_hi : float
        The planned ratio and its interval now.
    level : float
        Probability of that interval.
    metric : {"width", "regret"}
        What the runs are to make smaller: the interval of the ratio, or the expected regret.
    regret, tolerance : float
        Expected regret of acting now, and the one that is not worth a run; in `unit`.
    unit : str
        Unit of the losses.
    law_share : float
        Share of the ratio's variance that is the law's error at the target.
    best_width : float
        Width of the interval if the parameters of the laws were known exactly: no run inside the fitted
        range goes below it.
    everything_width : float
        Expected width after one of every run on offer.
    design_width, design_flops, design_runs : float, float, int
        The same of the cheapest design that comes near it, its FLOPs, and its runs; the batch is where it
        begins.
    ranking : tuple of Offer
        Every affordable candidate alone, the best first.
    batch : tuple of Offer
        Runs to buy together, in order; each knows those before it, and its width and regret are those
        after all of them.
    stop : tuple of Stop
        Reasons to stop; empty when buying is worth it.
    baselines : tuple of Baseline
        Ratios one could take without a law.
    notes : tuple of str
        What else a reader should know.
    """

    r: float
    r_lo: float
    r_hi: float
    level: float
    metric: str
    regret: float
    tolerance: float
    unit: str
    law_share: float
    best_width: float
    everything_width: float
    design_width: float
    design_flops: float
    design_runs: int
    ranking: tuple[Offer, ...]
    batch: tuple[Offer, ...]
    stop: tuple[Stop, ...]
    baselines: tuple[Baseline, ...]
    notes: tuple[str, ...]

    @property
    def width(self) -> float:
        """Width of the interval now."""
        return self.r_hi - self.r_lo

    @property
    def flops(self) -> float:
        """Training FLOPs of the batch."""
        return sum(offer.flops for offer in self.batch)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        document = to_dict(self)
        document |= {"ranking": [offer.to_dict() for offer in self.ranking]}
        document |= {"batch": [offer.to_dict() for offer in self.batch]}
        return {"schema_version": SCHEMA_VERSION, "width": self.width, "flops": self.flops, **document}

    def summary(self) -> str:
        """The advice as text."""
        from dcpt.plan.next_runs.advice_text import advice_text

        return advice_text(self)
