"""The advice as text: what is known, what to buy, and whether to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dcpt.core.quantity import format_quantity

if TYPE_CHECKING:
    from dcpt.plan.next_runs.advice import Advice, Offer, Stop

MOST_LISTED = 8


def advice_text(advice: Advice) -> str:
    """The advice in words and one table; the verdict first."""
    share = f"{100 * advice.level:g} %"
    lines = [
        _verdict(advice),
        "",
        f"r* = {advice.r:.3f} ({advice.r_lo:.3f} to {advice.r_hi:.3f}, {share}); "
        f"{100 * advice.law_share:.0f} % of its variance is the law's error at the target.",
        regret_line(advice.regret, advice.tolerance, advice.stop, f" {advice.unit}"),
    ]
    if advice.batch:
        more = advice.design_runs > sum(len(offer.candidate.cells) for offer in advice.batch)
        lead = batch_lead(bool(advice.stop), more)
        title = f"{lead} ({format_quantity(advice.flops)} FLOPs; width and regret after each):"
        lines += ["", title, *_table(advice.batch)]
    listed = advice.ranking[:MOST_LISTED]
    if listed:
        lines += [
            "",
            f"Each alone, best {advice.metric} per FLOP first ({len(advice.ranking)} candidates):",
            *_table(listed),
        ]
    rivals = [
        f"{rival.name} (r = {rival.r:g}): regret {rival.regret:.2g} {advice.unit}; r* is better in "
        f"{100 * rival.beaten:.0f} % of the draws."
        for rival in advice.baselines
    ]
    talk = [*rivals, *(f"Note: {note}" for note in advice.notes)]
    lines += ["", *talk] if talk else []
    return "\n".join(lines)


def regret_line(regret: float, tolerance: float, stop: Sequence[Stop], unit: str = "") -> str:
    """What acting now gives away, and on which side of what is worth a run that lies.

    Parameters
    ----------
    regret, tolerance : float
        Expected regret of acting now, and the one that is not worth a run.
    stop : sequence of Stop
        Reasons to buy nothing.
    unit : str
        Unit of both, after a space; empty for none.
    """
    side, rest = "no more than", ""
    if regret > tolerance:
        side = "more than"
        rest = (
            ", but runs on offer take too little of it away" if any(s.kind == "shrink" for s in stop) else ""
        )
    return (
        f"Acting now gives away {regret:.2g}{unit} on average (its expected regret), {side} the "
        f"{tolerance:.2g} from which another run is worth buying{rest}."
    )


def batch_lead(stop: bool, more: bool) -> str:
    """What the runs listed together are, as the verdict has it.

    Parameters
    ----------
    stop : bool
        Whether the verdict is to buy nothing.
    more : bool
        Whether they are only the beginning of the runs that were counted.
    """
    if stop:
        return "Not advised; whoever buys all the same begins with these"
    return "Buy these first, then fit and ask again" if more else "Buy together"


def _verdict(advice: Advice) -> str:
    if advice.stop:
        return "Stop. " + " ".join(reason.message for reason in advice.stop)
    if not advice.batch:
        return "Nothing to buy: no affordable candidate tells more about r*."
    return (
        f"Go on: {advice.design_runs} more runs would narrow the interval of r* from {advice.width:.4f} to "
        f"about {advice.design_width:.4f} for {format_quantity(advice.design_flops)} FLOPs: the cheapest "
        f"that come near the {advice.everything_width:.4f} of all candidates together."
    )


def _table(offers: Sequence[Offer]) -> list[str]:
    head = ("run", "FLOPs", "width", "regret", "why")
    rows = [
        (str(o.candidate), format_quantity(o.flops), f"{o.width:.4f}", f"{o.regret:.2g}", o.why)
        for o in offers
    ]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = []
    for row in (head, *rows):
        left, *middle, why = row
        cells = [
            left.ljust(widths[0]),
            *(text.rjust(w) for text, w in zip(middle, widths[1:-1], strict=True)),
        ]
        lines.append("  " + "  ".join([*cells, why]).rstrip())
    return lines
