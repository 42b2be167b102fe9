"""Errors on domains left out, in words and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dcpt.fit.tournament_text import verdict
from dcpt.fit.unit_words import unit_sign

if TYPE_CHECKING:
    from dcpt.fit.left_domains import LeftDomains


def left_domains_text(found: LeftDomains) -> str:
    """What tells the domains apart, the error of every choice by model, the means, the winner."""
    lines = []
    if found.run is not None:
        lines.append(f"domains are told apart by the short run {found.run}:")
        for name, values in found.coefficients.items():
            cells = ", ".join(f"{key} {value:.4g}" for key, value in values.items())
            lines.append(f"  {name}: {cells}")
        lines.append("")
    errors = found.by_choice
    ranked = found.tournament.ranking(found.eval_set).set_index("model").loc[list(errors.columns)]
    unit = unit_sign(str(ranked["unit"].iloc[0]))
    rows = [(str(choice), [f"{value:.4f}" for value in row]) for choice, row in errors.iterrows()]
    ties = ["=" if tie else " " for tie in ranked["tie"]]
    rows.append(("mean", [f"{value:.4f}{tie}" for value, tie in zip(ranked["mae"], ties, strict=True)]))
    rows.append(("mean, % of the loss", [f"{100 * value:.2f}" for value in ranked["mape"]]))
    rows.append(("of the fit to all", [f"{value:.4f}" for value in ranked["mae_fitted"]]))
    first = max(len(label) for label, _ in rows) + 2
    share = f"{100 * found.tournament.level:g}"
    lines += [
        f"{found.eval_set}: mean absolute error on domains left out of the fit ({unit}); "
        f"= not told from the best at {share} %",
        f"  {'':{first}}" + "".join(f"{name:>{len(name) + 2}} " for name in errors.columns),
    ]
    for label, texts in rows:
        # A mean's mark stands to the right of its number.
        padded = (
            f"{cell.rstrip(' ='):>{max(len(name), 7) + 2}}{'=' if cell.endswith('=') else ' '}"
            for name, cell in zip(errors.columns, texts, strict=True)
        )
        lines.append(f"  {label:{first}}" + "".join(padded))
    lines.append(f"  {verdict(found.tournament, found.eval_set)}")
    refused = found.tournament.refused
    if refused:
        lines += ["  not judged:", *(f"    {which}: {why}" for which, why in refused.items())]
    return "\n".join(lines)
