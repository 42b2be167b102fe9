"""Many fits in one table: how well each fits, how it does on what it has not seen, what is doubted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dcpt.fit.baselines import BASELINES
from dcpt.fit.score import LARGEST_N
from dcpt.fit.summary import compare_text
from dcpt.fit.unit_words import unit_sign

if TYPE_CHECKING:
    from dcpt.fit.fit_file import FitSet
    from dcpt.fit.law_fit import LawFit

_HEADS = ("points", "MAE", "R2", "largest N out", "a baseline", "doubts")
_STATUS = {"converged": "", "bound_hit": "a parameter on a bound", "max_iter": "NOT converged"}


def brief_text(fits: FitSet) -> str:
    """One line per fit, by evaluation set, and the comparison of the laws.

    The columns: points fitted; mean absolute error and R2 of log loss on them; mean absolute error on the
    largest size, left out of a refit, and that of the baseline that errs least there; number of doubts.
    """
    width = max(len(fit.law.name) for fit in fits) + 2
    lines = []
    for eval_set, metric in dict.fromkeys((fit.eval_set, fit.metric) for fit in fits):
        own = [fit for fit in fits if (fit.eval_set, fit.metric) == (eval_set, metric)]
        title = f"{eval_set} ({unit_sign(own[0].unit)})"
        heads = "".join(f"{head:>15}" for head in _HEADS)
        lines.append(f"{title:{max(width, len(title)) + 2}}{heads}")
        lines += [_line(fit, max(width, len(title))) for fit in own]
        lines.append("")
    return "\n".join([*lines, compare_text(fits)])


def _line(fit: LawFit, width: int) -> str:
    scores = {item.model: item.mae for item in fit.holdouts if item.kind == LARGEST_N}
    rivals = [scores[name] for name in BASELINES if name in scores]
    r2 = fit.quality.get("errors", {}).get("r2_log")
    cells = (
        f"{fit.rows}",
        f"{fit.mae:.4f}",
        "-" if r2 is None else f"{r2:.4f}",
        f"{scores[fit.law.name]:.4f}" if fit.law.name in scores else "-",
        f"{min(rivals):.4f}" if rivals else "-",
        f"{len(fit.warnings)}",
    )
    note = _STATUS[fit.status]
    return (
        f"  {fit.law.name:{width}}" + "".join(f"{cell:>15}" for cell in cells) + (f"  {note}" if note else "")
    )
