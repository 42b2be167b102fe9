"""Which laws are fitted where nobody says which."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np

from dcpt.core.loss_table import LossTable
from dcpt.core.symbols import DOMAIN, GENERAL
from dcpt.fit.bases import general_sets, start_losses
from dcpt.laws.law import Law
from dcpt.laws.registry import get_law

LAWS = MappingProxyType(
    {
        GENERAL: ("anchored-shift", "d-cpt", "chinchilla"),
        DOMAIN: ("base-surface", "d-cpt", "chinchilla"),
    }
)
"""By side: the law that errs least on larger models (experiments/domains_cpu), the published law of the
mixture, and the one that is blind to it."""


def default_laws(table: LossTable, eval_set: str, metric: str = "loss") -> tuple[list[Law], dict[str, str]]:
    """Laws for an evaluation set, of those in `LAWS`, and why the others are left out.

    Parameters
    ----------
    table : LossTable
        Measured losses.
    eval_set, metric : str
        Which loss.

    Returns
    -------
    laws : list of Law
    left_out : mapping of str to str
        Law to the reason: the table lacks the bases' losses, or ratios.
    """
    rows = table.select(eval_set, metric)
    role = str(rows.frame["role"].iloc[0]) if len(rows) else GENERAL
    bases, several = start_losses(table, eval_set, metric), general_sets(table)
    sizes = rows.frame.loc[rows.frame["D"] > 0, "N"].to_numpy(float)
    blind = bool(np.isnan(rows.share).all())
    laws: list[Law] = []
    left_out: dict[str, str] = {}
    for name in LAWS[role]:
        law = get_law(name)
        unknown = [item for item in bases if item in law.inputs and not bases[item].covers(sizes)]
        if blind and {"s", "r"} & set(law.inputs):
            left_out[name] = "the table has no ratios"
        elif unknown == ["G0"] and len(several) > 1:
            left_out[name] = (
                f"it needs the base's general loss, and the table has several general sets "
                f"({', '.join(several)}) and none called {GENERAL!r}"
            )
        elif unknown:
            left_out[name] = "the table lacks losses before continual pre-training (rows with D = 0)"
        else:
            laws.append(law)
    return laws, left_out


def for_side(laws: Sequence[Law], table: LossTable, eval_set: str) -> tuple[list[Law], dict[str, str]]:
    """Laws that are for the side of an evaluation set, and why the others are not.

    A set that the table does not have keeps them all: fitting says what is wrong.
    """
    roles = table.frame.loc[table.frame["eval_set"] == eval_set, "role"]
    kept = [law for law in laws if not len(roles) or roles.iloc[0] in law.sides]
    others = [law for law in laws if law not in kept]
    return kept, {law.name: f"it is a law of the {' and '.join(law.sides)} loss" for law in others}
