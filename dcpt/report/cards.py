"""The page's cards: what a plan, a comparison, the fits and the data say, as text and tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dcpt.core.loss_table import LossTable
from dcpt.core.quantity import format_quantity
from dcpt.fit.fit_file import FitSet
from dcpt.fit.law_fit import LawFit
from dcpt.fit.unit_words import unit_of_amount, unit_sign, unit_words
from dcpt.launch.compare import Comparison
from dcpt.plan.caveat import Caveat
from dcpt.plan.plan import Plan
from dcpt.report.figures import Figure
from dcpt.report.table import Cell, Table, csv_uri, loss, number, percent, table


@dataclass(frozen=True)
class Part:
    """A titled piece of a card: a formula, a table, or both."""

    title: str = ""
    table: Table | None = None
    formula: str = ""


@dataclass(frozen=True)
class Card:
    """A card of the page; empty pieces are left out."""

    title: str
    finding: str = ""
    figures: Sequence[Figure] = ()
    parts: Sequence[Part] = ()
    sentences: Sequence[str] = ()
    caveats: Sequence[Caveat] = ()
    text: str = ""
    text_title: str = ""
    key: str = ""
    long: bool = False


def why_card(plan: Plan, decision: Sequence[Figure], curve: Figure, front: Sequence[Part]) -> list[Card]:
    """Why this ratio: both losses along the ratio, then one against the other."""
    unit = unit_of_amount(plan.unit)
    limits = " ".join(limit.sentence(plan.losses[limit.label].mean, unit) for limit in plan.limits)
    frame = plan.curve
    data = Table((), (), csv_uri(frame), "trade-off.csv")
    return [
        Card(
            "Why this ratio",
            f"{_sentence(plan.binding_words)} {limits}".rstrip(),
            figures=decision,
            key="why",
        ),
        Card(
            "What one side gains and the other loses",
            _exchange(plan),
            figures=[curve],
            parts=[Part(table=data), *front],
        ),
    ]


def _exchange(plan: Plan) -> str:
    """Price of the domain's gain at r*, from the curve's neighbouring points."""
    frame = plan.curve
    near = int((frame["r"] - plan.r).abs().argmin())
    low, high = max(near - 2, 0), min(near + 2, len(frame) - 1)
    rise = float(frame["general"].iloc[high] - frame["general"].iloc[low])
    fall = float(frame["domain"].iloc[low] - frame["domain"].iloc[high])
    if rise <= 0 or fall <= 0:
        return "Around r* the two losses do not pull against each other."
    unit = unit_of_amount(plan.unit)
    cost = f"{0.01 * rise / fall:.4f} {unit}"
    return f"Around r*, each 0.01 {unit} of domain loss costs {cost} of general loss."


def caveat_card(caveats: Sequence[Caveat]) -> Card:
    """Everything that speaks against leaning on the plan."""
    count = sum(caveat.weight != "note" for caveat in caveats)
    finding = (
        "Nothing but notes: none of these puts the answer in doubt."
        if count == 0
        else f"Of {len(caveats)} caveats, {count} put the answer in doubt; notes are worth knowing."
    )
    return Card("What speaks against it", finding, caveats=caveats)


def comparison_card(comparison: Comparison, figure: Figure) -> Card:
    """Predicted against measured, run by run."""
    rows = [
        (
            row.run_id,
            row.side,
            f"{row.r:.3f}",
            loss(row.predicted),
            f"{row.obs_lo:.4f} – {row.obs_hi:.4f}",
            loss(row.measured),
            f"{loss(row.error, signed=True)}",
            Cell("yes", "good") if row.in_obs else Cell("no", "warn"),
            Cell("", "quiet")
            if row.kept is None
            else Cell("kept", "good")
            if row.kept
            else Cell("broken", "warn"),
        )
        for row in comparison.rows
    ]
    head = (
        "Run",
        "Side",
        "r",
        "Predicted",
        f"{percent(comparison.level)} interval",
        "Measured",
        "Error",
        "Inside",
        "Ceiling",
    )
    body = table(head, rows, ("r", "Predicted", head[4], "Measured", "Error"))
    body = Table(body.columns, body.rows, csv_uri(comparison.table()), "compare.csv")
    return Card(
        "Predicted and measured",
        "Each run beside what the plan's laws predict for its size, tokens and ratio; losses in "
        f"{unit_words(comparison.unit)}.",
        figures=[figure],
        parts=[Part(table=body)],
        sentences=comparison.findings(),
        long=True,
    )


def fit_card(fit: LawFit, figures: Sequence[Figure], planned: bool) -> Card:
    """One law on one side: parameters, doubts and figures."""
    frame = fit.summary_frame()
    unit = unit_words(fit.unit)
    flagged = {symbol for warning in fit.warnings for symbol in warning.parameters}
    rows = [
        (
            Cell(str(row["name"])),
            number(row["value"]),
            f"{number(row['lo'])} – {number(row['hi'])}",
            Cell(str(row["unit"]), "quiet"),
            Cell(str(row["meaning"]), "quiet"),
            Cell(str(row["note"] or ""), "warn" if row["name"] in flagged else "quiet"),
        )
        for row in frame.to_dict("records")
    ]
    head = ("Parameter", "Value", "90 % interval", "Unit", "Meaning", "Note")
    counted = f"N in {format_quantity(fit.units.N)} parameters, D in {format_quantity(fit.units.D)} tokens"
    parts = [
        Part(formula=fit.law.formula),
        Part(table=table(head, rows, ("Value", "90 % interval"))),
    ]
    if fit.warnings:
        doubts = [(Cell(warning.kind.replace("_", " "), "warn"), warning.message) for warning in fit.warnings]
        parts.append(Part("Doubts of the fit", table(("Kind", "What"), doubts)))
    if fit.corner_errors:
        corners = [
            (place, f"{errors['rows']:.0f}", loss(errors["mae"]), loss(errors["bias"], signed=True))
            for place, errors in fit.corner_errors.items()
        ]
        names = ("Corner", "Rows", "Mean error", "Bias")
        parts.append(Part(f"Not fitted: pure mixtures, errors in {unit}", table(names, corners, names[1:])))
    return Card(
        f"{fit.law.name} on the {fit.eval_set} loss",
        f"{fit.rows} rows of {fit.runs} runs, {fit.status.replace('_', ' ')}; mean absolute error in sample "
        f"{fit.mae:.4f} {unit} ({100 * fit.mape:.2f} %). {counted}. {fit.law.reference}."
        + (" The plan uses this fit." if planned else ""),
        figures=figures,
        parts=parts,
        long=True,
    )


def holdout_card(fits: FitSet) -> Card | None:
    """Errors on what was left out of the fits, laws beside baselines."""
    frame = fits.holdout_frame()
    if not len(frame):
        return None
    parts = []
    for (eval_set, unit), rows in frame.groupby(["eval_set", "unit"], sort=False):
        models = list(dict.fromkeys(rows["model"]))
        body: list[Sequence[str | Cell]] = []
        for kind, group in rows.groupby("kind", sort=False):
            errors = group.groupby("model")["mae"].mean()
            levels = sorted(group["level"].unique())
            spelled = ", ".join(f"{x:g}" if kind == "ratio" else format_quantity(x) for x in levels)
            best = errors.min()
            cells = [
                Cell(loss(errors.get(model)), "best" if errors.get(model) == best else "") for model in models
            ]
            covered = group["coverage"].dropna()
            count = group.groupby("model")["rows"].sum().max()
            body.append((
                str(kind), Cell(spelled, "quiet"), f"{count:.0f}", *cells,
                percent(float(covered.mean())) if len(covered) else "–",
            ))  # fmt: skip
        head = ("Left out", "Which", "Rows", *models, "Inside 90 %")
        parts.append(
            Part(f"{eval_set} loss, {unit_words(unit)}", table(head, body, ("Rows", *models, "Inside 90 %")))
        )
    return Card(
        "Tested on what was left out",
        "Mean absolute error when the rows are not part of the fit; the smallest is bold.",
        parts=parts,
        long=True,
    )


def data_card(data: LossTable, metrics: Collection[str], leakage: Any = None) -> Card:
    """Runs, sizes, ranges, evaluation sets; of the metrics that are fitted."""
    frame = data.frame[data.frame["metric"].isin(metrics)]
    body = []
    for (eval_set, unit), rows in frame.groupby(["eval_set", "unit"], sort=False):
        ends = rows[rows["phase"] == "end"]
        used = ends if len(ends) else rows
        body.append((
            str(eval_set),
            Cell(str(rows["role"].iloc[0]), "quiet"),
            str(used["run_id"].nunique()),
            str(len(used)),
            ", ".join(format_quantity(value) for value in sorted(used["N"].unique())),
            _range(used["D"]),
            ", ".join(f"{value:.3g}" for value in sorted(used["r"].unique())),
            f"{_losses(used['value'])} {unit_sign(unit)}",
        ))  # fmt: skip
    head = ("Set", "Side", "Runs", "Ends", "Sizes", "Tokens", "Domain shares", "Losses")
    parts = [Part(table=table(head, body, ("Runs", "Ends")))]
    base = frame[frame["phase"] == "base"]
    for unit, of_unit in base.groupby("unit", sort=False):
        grid = of_unit.groupby(["eval_set", "N"], sort=False)["value"].mean().unstack("eval_set").sort_index()
        rows = [
            (format_quantity(float(N)), *(loss(row[name]) for name in grid)) for N, row in grid.iterrows()
        ]
        title = f"Losses before continual pre-training, {unit_words(unit)}"
        parts.append(Part(title, table(("Size", *grid), rows, tuple(grid))))
    if leakage is not None:
        parts.append(part_of("Leakage between training and held-out text", leakage))
    return Card("Data", f"{frame['run_id'].nunique()} runs, fingerprint {data.fingerprint}.", parts=parts)


def made_card(rows: Mapping[str, str], extra: Mapping[str, Any], text: str = "") -> Card:
    """Versions, fingerprints and whatever the caller adds."""
    plain = {**rows, **{key: str(value) for key, value in extra.items() if not _is_table(value)}}
    body = [(Cell(key, "quiet"), value) for key, value in plain.items()]
    parts = [Part(table=table(("What", "Value"), body))]
    parts.extend(part_of(str(key), value) for key, value in extra.items() if _is_table(value))
    return Card("How this was made", parts=parts, text=text, text_title="The plan as text", long=True)


def part_of(title: str, value: Any) -> Part:
    """A frame, a mapping, a list of mappings or plain text as a titled table."""
    if isinstance(value, pd.DataFrame):
        value = value.to_dict("records")
    if isinstance(value, Mapping):
        pairs = [(Cell(str(key), "quiet"), _text(item)) for key, item in value.items()]
        return Part(title, table(("What", "Value"), pairs))
    if isinstance(value, (list, tuple)) and value and all(isinstance(item, Mapping) for item in value):
        names = list(dict.fromkeys(str(key) for item in value for key in item))
        rows = [tuple(_text(item.get(name, "")) for name in names) for item in value]
        numbers = [
            name for name in names if all(isinstance(item.get(name, 0), (int, float)) for item in value)
        ]
        return Part(title, table(names, rows, numbers))
    lines = value if isinstance(value, (list, tuple)) else [value]
    return Part(title, table(("What",), [(_text(line),) for line in lines]))


def _is_table(value: Any) -> bool:
    return isinstance(value, (pd.DataFrame, Mapping, list, tuple))


def _text(value: Any) -> str:
    return number(value) if isinstance(value, float) else str(value)


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:] + "."


def _range(values: pd.Series) -> str:
    low, high = format_quantity(float(values.min())), format_quantity(float(values.max()))
    return low if low == high else f"{low} – {high}"


def _losses(values: pd.Series) -> str:
    return f"{values.min():.3f} – {values.max():.3f}"
