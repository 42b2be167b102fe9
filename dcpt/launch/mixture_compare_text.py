"""A comparison of a launched mixture with its plan in words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dcpt.core.quantity import format_quantity
from dcpt.fit.unit_words import unit_of_amount, unit_words
from dcpt.launch.live import live_sentences
from dcpt.launch.mixture_compare import MixtureComparison
from dcpt.plan.mixtures.names import short_names


def mixture_compare_text(found: MixtureComparison) -> str:
    """Lay out a comparison: the shares, the losses, the goal, and what they mean, last."""
    runs = list(dict.fromkeys(row.run_id for row in found.rows))
    lines = [f"Predicted against measured: {len(runs)} launched mixture{'s' if len(runs) > 1 else ''}"]
    for run in runs:
        lines += ["", *_run(found, run)]
    return "\n".join([*lines, "", *findings(found)])


def _run(found: MixtureComparison, run: str) -> Iterator[str]:
    rows = [row for row in found.rows if row.run_id == run]
    yield f"  {run}: {format_quantity(rows[0].N)} parameters, {format_quantity(rows[0].D)} tokens"
    shares = [item for item in found.shares if item.run_id == run]
    names = dict(
        zip((item.corpus for item in shares), short_names([item.corpus for item in shares]), strict=True)
    )
    width = max(8, *(len(name) for name in names.values()), *(len(row.side) for row in rows))
    yield f"  {'corpus':<{width}} {'planned':>9} {'launched':>9}"
    for item in sorted(shares, key=lambda one: -one.planned):
        yield f"  {names[item.corpus]:<{width}} {item.planned:>9.4f} {item.launched:>9.4f}"
    yield (
        f"  {'target':<{width}} {'predicted':>9} {'measured':>9} {'error':>8} {'%':>6}  inside "
        f"({unit_words(found.unit)})"
    )
    for row in rows:
        inside = "the mean's interval" if row.in_mean else "a run's interval" if row.in_obs else "neither"
        limit = "" if row.kept is None else ", limit kept" if row.kept else ", limit broken"
        yield (
            f"  {row.side:<{width}} {row.predicted:>9.4f} {row.measured:>9.4f} {row.error:>+8.4f} "
            f"{row.error_percent:>+6.2f}  {inside}{limit}"
        )


def findings(found: MixtureComparison) -> list[str]:
    """What a comparison shows, one sentence each."""
    unit, sentences = unit_of_amount(found.unit), []
    error = np.mean([abs(row.error) for row in found.rows])
    percent = np.mean([abs(row.error_percent) for row in found.rows])
    inside = sum(row.in_obs for row in found.rows)
    sentences.append(
        f"The losses were missed by {error:.4f} {unit} ({percent:.2f} %) on average; {inside} of "
        f"{len(found.rows)} measurements lie inside the {100 * found.level:.0f} % interval of a run."
    )
    sentences += [
        f"The goal ({found.minimise}) of {item.run_id} came to {item.measured:.4f}, "
        f"{'inside' if item.inside else 'outside'} the predicted {item.lo:.4f} to {item.hi:.4f}."
        for item in found.goals
    ]
    for row in found.rows:
        if row.kept is not None and row.ceiling is not None:
            word = "keeps" if row.kept else "breaks"
            sentences.append(
                f"The planned mixture {word} the limit on {row.side}: {row.measured:.4f} against "
                f"{row.ceiling:.4f} {unit}."
            )
    if not any(row.as_planned for row in found.rows):
        known = [
            f"{format_quantity(value)} {what}"
            for value, what in ((found.N, "parameters"), (found.D, "tokens"))
            if value is not None
        ]
        sentences.append(
            "None of these runs has the planned mixture, size and tokens"
            + (f": the plan's losses are those of {' and '.join(known)}." if known else ".")
        )
    return sentences + live_sentences(found.live)
