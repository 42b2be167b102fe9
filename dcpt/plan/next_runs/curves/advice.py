"""The answer about curves: runs ranked by what they tell per FLOP, the batch to buy, and whether to buy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dcpt.core.quantity import format_quantity
from dcpt.core.run_spec import to_dict
from dcpt.plan.next_runs.advice import Stop
from dcpt.plan.next_runs.advice_text import batch_lead, regret_line

SCHEMA_VERSION = 1
MOST_LISTED = 8


@dataclass(frozen=True)
class CurveOffer:
    """A run with its price and what it is expected to do.

    Attributes
    ----------
    run : str
        What it is called.
    flops : float
        Training FLOPs that it adds to those before it.
    width : float
        Expected width of the answer's interval afterwards.
    gain : float
        Variance of the answer taken away per FLOP: what offers are ranked by.
    why : str
        What it adds, in words.
    """

    run: str
    flops: float
    width: float
    gain: float
    why: str


@dataclass(frozen=True)
class CurveAdvice:
    """Which runs to buy next for fits of loss curves.

    Attributes
    ----------
    answer : str
        What is asked: ``replay``, ``anneal-share``, ``domain share under a limit`` and so on.
    value, lo, hi : float
        The answer and its interval now.
    level : float
        Probability of that interval.
    regret, tolerance : float or None
        Objective that acting now gives away on average, and the one that is not worth a run; None where the
        answer is no choice of the least objective.
    everything_width : float
        Expected width after one of every run on offer.
    design_width, design_flops, design_runs : float, float, int
        The same of the cheapest runs that come near it, their FLOPs and number; the batch is where they
        begin.
    ranking : tuple of CurveOffer
        Every affordable run alone, the best first.
    batch : tuple of CurveOffer
        Runs to buy together, in order; the FLOPs of each are those it adds, its width that after all before.
    stop : tuple of Stop
        Reasons to stop; empty when buying is worth it.
    notes : tuple of str
        What else a reader should know.
    """

    answer: str
    value: float
    lo: float
    hi: float
    level: float
    regret: float | None
    tolerance: float | None
    everything_width: float
    design_width: float
    design_flops: float
    design_runs: int
    ranking: tuple[CurveOffer, ...]
    batch: tuple[CurveOffer, ...]
    stop: tuple[Stop, ...]
    notes: tuple[str, ...]

    @property
    def width(self) -> float:
        """Width of the interval now."""
        return self.hi - self.lo

    @property
    def flops(self) -> float:
        """Training FLOPs of the batch."""
        return sum(offer.flops for offer in self.batch)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"schema_version": SCHEMA_VERSION, "width": self.width, "flops": self.flops, **to_dict(self)}

    def summary(self) -> str:
        """The advice in words and one table; the verdict first."""
        lines = [
            self._verdict(),
            "",
            f"{self.answer}: {self.value:.4g} ({self.lo:.4g} to {self.hi:.4g}, {100 * self.level:g} %).",
        ]
        if self.regret is not None and self.tolerance is not None:
            lines.append(regret_line(self.regret, self.tolerance, self.stop))
        if self.batch:
            lead = batch_lead(bool(self.stop), self.design_runs > len(self.batch))
            title = f"{lead} ({format_quantity(self.flops)} FLOPs; FLOPs each adds, width after each):"
            lines += ["", title, *_table(self.batch)]
        if self.ranking:
            lines += ["", f"Each alone, best per FLOP first ({len(self.ranking)} candidates):"]
            lines += _table(self.ranking[:MOST_LISTED])
        talk = [f"Note: {note}" for note in self.notes]
        return "\n".join([*lines, *(["", *talk] if talk else [])])

    def _verdict(self) -> str:
        if self.stop:
            return "Stop. " + " ".join(reason.message for reason in self.stop)
        if not self.batch:
            return "Nothing to buy: no affordable candidate tells more about the answer."
        return (
            f"Go on: {self.design_runs} more runs would narrow the interval from {self.width:.3g} to about "
            f"{self.design_width:.3g} for {format_quantity(self.design_flops)} FLOPs: the cheapest that come "
            f"near the {self.everything_width:.3g} of all candidates together."
        )


def _table(offers: tuple[CurveOffer, ...]) -> list[str]:
    rows = [("run", "FLOPs", "width", "why")]
    rows += [(o.run, format_quantity(o.flops), f"{o.width:.3g}", o.why) for o in offers]
    wide = [max(len(row[i]) for row in rows) for i in range(3)]
    return [
        f"  {run.ljust(wide[0])}  {flops.rjust(wide[1])}  {width.rjust(wide[2])}  {why}"
        for run, flops, width, why in rows
    ]
