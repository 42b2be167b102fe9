"""The page of a fit of many corpora: its plan, if there is one, and what the predictor was chosen by."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from dcpt.core.quantity import format_quantity
from dcpt.fit.mixtures.mixture_fit import MixtureFit
from dcpt.plan.mixtures.make_region import spoken
from dcpt.plan.mixtures.mixture_frames import beside, compared_frame, shares_frame
from dcpt.plan.mixtures.mixture_plan import MixturePlan
from dcpt.plan.mixtures.names import short_names
from dcpt.plots.mixture_decision import mixture_losses, mixture_shares
from dcpt.report.cards import Card, Part, caveat_card, made_card
from dcpt.report.figures import render
from dcpt.report.page import TONES, version, write_page
from dcpt.report.table import Table, csv_uri, loss, number, percent, table


def make_mixture_report(folder: Path | str, fit: MixtureFit, plan: MixturePlan | None = None) -> Path:
    """Write ``report.html`` and ``figures/*.png`` into a folder.

    Parameters
    ----------
    folder : path
        Where to write; made if it does not exist.
    fit : MixtureFit
        The fit.
    plan : MixturePlan, optional
        A plan made from it.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    DataError
        When the disk refuses the write.
    """
    folder = Path(folder)
    stack: list[Card] = []
    if plan is not None:
        stack += [_shares_card(plan, folder), _losses_card(plan), _compared_card(plan, folder)]
        if plan.caveats:
            stack.append(caveat_card(plan.caveats))
    stack += [_choice_card(fit), made_card(_made(fit, plan), {}, "" if plan is None else str(plan))]
    return write_page(folder, _title(fit, plan), _verdict(fit, plan), stack)


def _shares_card(plan: MixturePlan, folder: Path) -> Card:
    frame = shares_frame(plan)
    level = percent(plan.question.level)
    drawn = render(
        "mixture-shares",
        partial(mixture_shares, frame),
        folder,
        size=(7.2, max(2.2, 0.28 * len(frame) + 1.0)),
        alt="Shares of the corpora, the greatest on top.",
        caption=f"Bar: the answer; line: {level} interval of the best share; mark: {beside(plan)}.",
    )
    rows = [
        (
            str(row["corpus"]),
            percent(row["share"], 1),
            f"{percent(row['lo'], 1)} to {percent(row['hi'], 1)}",
            f"{percent(row['alike_lo'], 1)} to {percent(row['alike_hi'], 1)}",
            number(row["epochs"]),
        )
        for row in frame.to_dict("records")
    ]
    heads = ("Corpus", "Share", f"{level} interval", "Not told apart", "Epochs")
    made = table(heads, rows, heads[1:])
    data = Table(made.columns, made.rows, csv_uri(frame), "mixture-shares.csv")
    binds = [
        f"{item.text} binds: relaxed by {item.relaxed} the goal moves by {loss(item.change, signed=True)}."
        for item in plan.prices
    ]
    return Card(
        "Which mixture", "", figures=[drawn], parts=[Part(table=data)], sentences=binds, key="mixture"
    )


def _losses_card(plan: MixturePlan) -> Card:
    names = short_names([item.target for item in plan.losses])
    rows = [
        (
            name,
            loss(item.mean),
            f"{loss(item.lo)} to {loss(item.hi)}",
            f"{loss(item.run_lo)} to {loss(item.run_hi)}",
            "–" if item.ceiling is None else f"{loss(item.ceiling)}, kept in {percent(item.kept or 0.0)}",
        )
        for name, item in zip(names, plan.losses, strict=True)
    ]
    heads = ("Loss", "Expected", f"{percent(plan.question.level)} interval", "A run", "Limit")
    finding = (
        f"{plan.question.minimise}: {loss(plan.value)} ({loss(plan.lo)} to {loss(plan.hi)}); knowing the "
        f"best mixture would gain {loss(plan.regret)}."
    )
    return Card("What is expected of it", finding, parts=[Part(table=table(heads, rows, heads[1:]))])


def _compared_card(plan: MixturePlan, folder: Path) -> Card:
    drawn = render(
        "mixture-compared",
        partial(mixture_losses, compared_frame(plan), goal=str(plan.question.minimise)),
        folder,
        size=(7.2, 3.0),
        alt="What is expected of the answer and of other mixtures.",
        caption="Dot and line: predicted, with its interval; of others that of the difference to the answer. "
        "Cross: measured.",
    )
    rows = [
        (
            item.name,
            loss(item.value),
            loss(item.difference, signed=True),
            "–" if item.lo is None else f"{loss(item.lo, signed=True)} to {loss(item.hi, signed=True)}",
            "–" if item.beaten is None else percent(item.beaten),
            item.note
            or ("not told apart" if item.alike else "" if item.allowed else "breaks a rule or limit"),
        )
        for item in plan.compared
    ]
    heads = ("Mixture", "Goal", "Difference", "Interval", "Beaten in", "")
    return Card(
        "Beside other mixtures", "", figures=[drawn], parts=[Part(table=table(heads, rows, heads[1:5]))]
    )


def _choice_card(fit: MixtureFit) -> Card:
    choice = fit.choice
    rows = [
        (
            item.name,
            percent(item.weight),
            "–" if item.score is None else loss(item.score.mae),
            "–" if item.score is None else f"{item.score.r2:.3f}",
            "–" if item.score is None else f"{item.score.spearman:.3f}",
            item.dropped or ("ties with the best" if item.tie else ""),
        )
        for item in choice.tried
    ]
    heads = ("Predictor", "Weight", "Error", "R2", "Rank correlation", "")
    finding = (
        f"{choice.chosen.runs} runs held out in {choice.folds} folds: error {loss(choice.chosen.mae)}; "
        f"90 % intervals hold {percent(choice.chosen.coverage)}."
    )
    return Card(
        "How the predictor was chosen",
        finding,
        parts=[Part(table=table(heads, rows, heads[1:5]))],
        sentences=fit.warnings,
    )


def _title(fit: MixtureFit, plan: MixturePlan | None) -> str:
    if plan is None:
        return f"{fit.name} fitted to {len(fit.shares)} runs on {len(fit.corpora)} corpora"
    question = str(spoken(plan.question, list(plan.mixture), [item.target for item in plan.losses]))
    return question[0].upper() + question[1:].replace("<=", "≤").replace(">=", "≥")


def _verdict(fit: MixtureFit, plan: MixturePlan | None) -> dict[str, str]:
    if plan is not None:
        word, _, rest = plan.verdict_line.partition(": ")
        line = rest or word
        return {"word": word, "line": line[0].upper() + line[1:], "tone": TONES[plan.verdict]}
    if fit.warnings:
        return {"word": "Fitted", "line": f"The fit reports {len(fit.warnings)} doubts.", "tone": "warn"}
    return {"word": "Fitted", "line": "The fit reports no doubt.", "tone": "good"}


def _made(fit: MixtureFit, plan: MixturePlan | None) -> dict[str, str]:
    size = "" if fit.N is None else f" of {format_quantity(fit.N)} parameters"
    tokens = "" if fit.D is None else f" after {format_quantity(fit.D)} tokens"
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "pandas", "matplotlib"))
    rows = {
        "dcpt": version("dcpt"),
        "Libraries": libraries,
        "Runs": f"{len(fit.shares)}{size}{tokens}",
        "Losses behind the fit": fit.fingerprint,
        "Seed of the fit": str(fit.seed),
    }
    if plan is not None:
        rows |= {"Relative limits are measured from": plan.reference, "Seed of the plan": str(plan.seed)}
    return rows
