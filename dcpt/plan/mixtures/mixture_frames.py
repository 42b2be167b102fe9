"""What the figures and the page show of a plan of a mixture, as frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dcpt.plan.mixtures.mixture_plan import MixturePlan
from dcpt.plan.mixtures.names import short_names
from dcpt.plan.mixtures.setting import CENTRE, PROPORTIONAL

if TYPE_CHECKING:
    import pandas as pd


def shares_frame(plan: MixturePlan) -> pd.DataFrame:
    """Shares of the answer, one row per corpus, the greatest first.

    Returns
    -------
    pandas.DataFrame
        Columns ``corpus share lo hi alike_lo alike_hi seen tokens epochs`` of `CorpusShare`, by short names,
        and ``beside``, the share in the mixture named by `beside`.
    """
    import pandas as pd

    names = dict(zip(plan.mixture, short_names(list(plan.mixture)), strict=True))
    other = next((item.shares for item in plan.compared if item.name == beside(plan)), None) or {}
    rows = [
        {
            "corpus": names[item.corpus],
            "share": item.share,
            "lo": item.lo,
            "hi": item.hi,
            "alike_lo": item.alike_lo,
            "alike_hi": item.alike_hi,
            "seen": item.seen,
            "tokens": item.tokens,
            "epochs": item.epochs,
            "beside": other.get(item.corpus),
        }
        for item in sorted(plan.shares, key=lambda one: -one.share)
    ]
    return pd.DataFrame(rows)


def beside(plan: MixturePlan) -> str:
    """The mixture that stands beside the answer: in proportion to the pools where they are known."""
    known = {item.name for item in plan.compared if item.shares is not None}
    return PROPORTIONAL if PROPORTIONAL in known else CENTRE


def compared_frame(plan: MixturePlan) -> pd.DataFrame:
    """The goal at the answer, in the first row, and at the mixtures beside it.

    Returns
    -------
    pandas.DataFrame
        Columns ``name value lo hi measured``: interval of the answer's goal; of another mixture that of its
        difference to the answer, added to its goal. ``measured`` is that of the best run seen.
    """
    import pandas as pd

    rows = [{"name": "answer", "value": plan.value, "lo": plan.lo, "hi": plan.hi, "measured": None}]
    for item in plan.compared:
        if item.value is None or item.lo is None or item.hi is None:
            continue
        rows.append(
            {
                "name": item.name if item.allowed else f"{item.name} (breaks a limit)",
                "value": item.value,
                "lo": plan.value + item.lo,
                "hi": plan.value + item.hi,
                "measured": item.measured,
            }
        )
    return pd.DataFrame(rows).astype({"measured": float})
