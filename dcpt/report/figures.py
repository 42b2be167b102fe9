"""Figures of the page: each drawn light and dark for the page, and light as PNG for the folder."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from dcpt.core import files
from dcpt.core.loss_table import LossTable
from dcpt.core.quantity import format_quantity
from dcpt.core.symbols import DOMAIN, GENERAL
from dcpt.fit.curves import measured_rows, ratio_curves, token_curves
from dcpt.fit.law_fit import LawFit
from dcpt.fit.unit_words import unit_words
from dcpt.launch.compare import Comparison
from dcpt.plan.plan import Plan
from dcpt.plots import style
from dcpt.plots.loss_vs_ratio import loss_vs_ratio
from dcpt.plots.loss_vs_tokens import loss_vs_tokens
from dcpt.plots.measured_vs_fitted import measured_vs_fitted
from dcpt.plots.predicted_vs_measured import predicted_vs_measured
from dcpt.plots.ratio_decision import ratio_decision
from dcpt.plots.trade_off import trade_off

_MOST = 0.95
"""Share of the draws that must reach a row of the front for its band to be drawn."""


class Draw(Protocol):
    """A plot function with everything but its axes given."""

    def __call__(self, *, ax: Axes) -> object:
        """Draw into the axes."""


@dataclass(frozen=True)
class Figure:
    """A figure of the page: data URIs of its two themes, and words for those who do not see it."""

    light: str
    dark: str
    alt: str
    caption: str = ""
    narrow: bool = False


def render(
    name: str,
    draw: Draw,
    folder: Path,
    *,
    size: tuple[float, float] = (5.6, 3.5),
    alt: str,
    caption: str = "",
    narrow: bool = False,
) -> Figure:
    """Draw one figure in both themes and write ``figures/<name>.png``."""
    uris = {}
    for theme in style.THEMES:
        with style.theme(theme):
            canvas = Canvas(figsize=size, layout="constrained")
            draw(ax=canvas.add_subplot())
            buffer = io.BytesIO()
            canvas.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": "dcpt"})
            uris[theme] = "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
            if theme == "light":
                buffer = io.BytesIO()
                canvas.savefig(buffer, format="png", metadata={"Software": "dcpt"})
                files.write_bytes(folder / "figures" / f"{name}.png", buffer.getvalue())
    return Figure(uris["light"], uris["dark"], alt, caption, narrow)


def decision_figures(plan: Plan, folder: Path) -> list[Figure]:
    """Both sides' predicted losses along the ratio, and the trade-off between them."""
    figures = []
    for side, limit in ((GENERAL, plan.ceiling), (DOMAIN, None)):
        frame = plan.curve.rename(
            columns={side: "mean", **{f"{side}_{part}": part for part in ("lo", "hi", "obs_lo", "obs_hi")}}
        )
        figures.append(
            render(
                f"plan-{side}",
                partial(
                    ratio_decision,
                    frame,
                    side=side,
                    r=plan.r,
                    r_lo=plan.r_lo,
                    r_hi=plan.r_hi,
                    limit=limit,
                    unit=unit_words(plan.unit),
                ),
                folder,
                alt=f"Predicted {side} loss against the domain share, with r* = {plan.r:.3f}.",
                caption=f"Predicted {side} loss. Dark band: the law's mean; light band: one run.",
            )
        )
    return figures


def trade_off_figure(plan: Plan, folder: Path) -> Figure:
    """Domain loss against general loss along the ratio."""
    return render(
        "trade-off",
        partial(
            trade_off,
            plan.curve,
            r=plan.r,
            ceiling=plan.ceiling,
            general_now=plan.general_now,
            # Where few draws reach a domain loss, the band is about those few.
            band=plan.front[plan.front["reached"] >= _MOST] if len(plan.front) else None,
            unit=unit_words(plan.unit),
        ),
        folder,
        size=(7.2, 4.0),
        alt="Domain loss against general loss along the domain share.",
        caption="Small numbers along the curve: domain share. The faint part breaks the ceiling. "
        f"Band: {100 * plan.objective.level:.0f} % interval of the least general loss at a domain loss.",
        narrow=True,
    )


def fit_figures(fit: LawFit, table: LossTable, plan: Plan | None, folder: Path) -> list[Figure]:
    """Loss along the ratio at the most tokens, along tokens at the largest size, and the scatter."""
    rows = measured_rows(fit, table)
    if not len(rows):
        return []
    rows["fitted"] = fit.mean(rows["N"], rows["D"], rows["r"])
    most = rows.groupby("N")["D"].transform("max")
    at_most = rows[rows["D"] == most]
    largest = rows[rows["N"] == rows["N"].max()]
    side, name, unit = fit.role, _slug(fit), unit_words(fit.unit)
    target = None if plan is None else (plan.N, plan.D)
    tokens = ", ".join(format_quantity(value) for value in sorted(at_most["D"].unique()))
    figures = [
        render(
            f"{name}-ratio",
            lambda ax: loss_vs_ratio(ratio_curves(fit, table, target), side=side, unit=unit, ax=ax),
            folder,
            alt=f"{fit.eval_set} loss against the domain share, one curve per model size.",
            caption=f"After {tokens} tokens, by model size."
            + (" Dashed: the planned run." if plan is not None else ""),
        )
    ]
    if largest["D"].nunique() > 1:
        figures.append(
            render(
                f"{name}-tokens",
                lambda ax: loss_vs_tokens(token_curves(fit, table), side=side, unit=unit, ax=ax),
                folder,
                alt=f"{fit.eval_set} loss against training tokens, one curve per domain share.",
                caption=f"{format_quantity(float(largest['N'].max()))} parameters, by domain share.",
            )
        )
    figures.append(
        render(
            f"{name}-scatter",
            partial(measured_vs_fitted, rows.rename(columns={"value": "measured"}), side=side, unit=unit),
            folder,
            size=(4.4, 4.2),
            alt=f"Measured against fitted {fit.eval_set} losses.",
            caption="Measured against fitted, by model size.",
        )
    )
    return figures


def comparison_figure(comparison: Comparison, folder: Path) -> Figure:
    """Errors of the predictions within their intervals."""
    frame = comparison.table()
    frame["label"] = [
        f"{row.side}, r = {row.r:.3g}"
        + ("" if row.as_planned else f", {format_quantity(row.N)}, {format_quantity(row.D)}")
        for row in comparison.rows
    ]
    return render(
        "compare",
        partial(predicted_vs_measured, frame, unit=unit_words(comparison.unit)),
        folder,
        size=(7.2, 0.9 + 0.34 * len(frame)),
        alt="Measured minus predicted loss of each launched run, with intervals.",
        caption="Dark bar: interval of the law's mean; light bar: of one run. Orange: outside both.",
        narrow=True,
    )


def _slug(fit: LawFit) -> str:
    text = f"{fit.law.name}-{fit.eval_set}"
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in text)
