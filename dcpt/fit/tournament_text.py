"""A tournament in words and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dcpt.fit.unit_words import unit_sign

if TYPE_CHECKING:
    import pandas as pd

    from dcpt.fit.tournament import Tournament

_LISTED = 6


def tournament_text(tournament: Tournament) -> str:
    """A table of errors for each evaluation set, the winner, its ties, and who was not judged."""
    parts = [_of_set(tournament, name) for name in tournament.eval_sets]
    if tournament.refused:
        grouped: dict[str, list[str]] = {}
        for which, reason in tournament.refused.items():
            own = f"law {which.partition(' on ')[0]} "
            grouped.setdefault(reason.replace(own, ""), []).append(which)
        refused = [f"  {'; '.join(names)}: {reason}" for reason, names in grouped.items()]
        parts.append("\n".join(["not judged:", *refused]))
    return "\n\n".join(parts)


def _of_set(tournament: Tournament, eval_set: str) -> str:
    frame = tournament.frame[tournament.frame["eval_set"] == eval_set]
    kinds = list(dict.fromkeys(frame["kind"]))
    last = kinds[-1]  # the average over kinds, or the only kind
    errors = frame.pivot(index="model", columns="kind", values="mae")
    marks = frame.pivot(index="model", columns="kind", values="tie")
    shown = errors[last].sort_values(kind="stable", na_position="last").index
    once = frame.drop_duplicates("model").set_index("model")
    width = max(len("baseline "), *(len(name) for name in shown)) + 2
    heads = [_head(frame, kind) for kind in kinds]
    wide = [max(len(head), 8) + 2 for head in heads]
    titles = "".join(f"{head:>{w}} " for head, w in zip(heads, wide, strict=True))
    share = 100 * tournament.level
    unit = unit_sign(str(frame["unit"].iloc[0]))
    lines = [
        f"{eval_set}: mean absolute error on rows left out of the fit ({unit}); "
        f"= not told from the best at {share:g} %",
        f"  {'':{width}}{titles}    fitted",
    ]
    for model in shown:
        cells = ""
        for kind, w in zip(kinds, wide, strict=True):
            value = errors.loc[model, kind]
            if np.isnan(value):
                cells += f"{'-':>{w}} "
            else:
                cells += f"{value:{w}.4f}{'=' if marks.loc[model, kind] else ' '}"
        lines.append(f"  {model:{width}}{cells}{once.loc[model, 'mae_fitted']:10.4f}")
    lines.append(f"  {verdict(tournament, eval_set, last)}")
    early = once.index[frame.groupby("model")["unconverged"].max().reindex(once.index) > 0]
    if len(early):
        lines.append(f"  refits that stopped before they converged: {', '.join(early)}")
    return "\n".join(lines)


def _head(frame: pd.DataFrame, kind: str) -> str:
    splits = int(frame.loc[frame["kind"] == kind, "splits"].iloc[0])
    return f"{kind} ({splits})" if splits > 1 and kind != "all" else kind


def verdict(tournament: Tournament, eval_set: str, kind: str | None = None) -> str:
    """The winner of a set and kind of hold-out, and the models that are not told from it."""
    best, tied = tournament.winner(eval_set, kind), tournament.tied(eval_set, kind)
    law = tournament.ranking(eval_set, kind)["law"].iloc[0]
    words = f"least error: {best}" + ("" if law else ", a baseline")
    if not tied:
        return f"{words}; every other model errs more than chance explains"
    more = f" and {len(tied) - _LISTED} more" if len(tied) > _LISTED else ""
    return f"{words}; not told from it: {', '.join(tied[:_LISTED])}{more}"
