"""``dcpt plan --schedule``: questions about the schedule of continual pre-training, one per command."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dcpt.cli import show
from dcpt.cli.curve_aim import aim_of, asked_fits
from dcpt.core.errors import ConfigError

if TYPE_CHECKING:
    from dcpt.cli.curve_asking import Answer, Question
    from dcpt.cli.curve_question import Asked
    from dcpt.fit.loss_curves.curve_file import CurveFits
    from dcpt.fit.loss_curves.curve_fit import CurveFit

SCHEMA_VERSION = 1

MOST_ROWS = 40


def plan_schedule(
    path: Path,
    schedule: str,
    ask: str,
    base_schedule: str | None,
    at: str | None,
    weight: float | None,
    from_start: bool,
    values: str | None,
    longest: str | None,
    floor: float,
    level: float,
    law: str | None,
    output: Path | None,
    figure: Path | None,
    force: bool,
    strict: bool,
    json: bool,
) -> None:
    """Answer one question about a schedule, print the answer and keep it.

    Parameters
    ----------
    path : Path
        Fits of curves: their folder or file.
    schedule, base_schedule, at
        The run.
    ask : str
        One of `dcpt.cli.curve_answers.QUESTIONS`.
    weight : float, optional
        Weight on the general loss.
    from_start : bool
        Whether changes from the base's loss count instead of losses.
    values, longest, floor, level
        See `dcpt.cli.curve_asking.Question`.
    law : str, optional
        The law; the best single one by default.
    output : Path, optional
        File; ``plan-QUESTION.json`` beside the fits by default.
    figure : Path, optional
        Picture of the best schedule, or of the one asked about.
    force, strict, json : bool
        As everywhere.
    """
    from dcpt.cli.curve_answers import QUESTIONS, check_flags, shares_as_numbers
    from dcpt.cli.curve_question import asked_of, open_curves
    from dcpt.cli.options import fresh
    from dcpt.core.errors import EXIT_DOUBTFUL
    from dcpt.core.files import write_json

    if ask not in QUESTIONS:
        near = difflib.get_close_matches(ask, QUESTIONS, n=1)
        raise ConfigError(
            f"--ask {ask}: is no question; wanted {', '.join(QUESTIONS)}.",
            hint=f"did you mean {near[0]!r}?" if near else None,
        )
    check_flags(ask, weight, from_start, values, longest, floor)
    file = output or (path if path.is_dir() else path.parent) / f"plan-{ask}.json"
    if file.suffix != ".json":
        raise ConfigError(f"-o: got {str(file)!r}; wanted a file that ends in .json.")
    rates_file = file.with_suffix(".csv")
    for name in (file, rates_file) if ask == "best-schedule" else (file,):
        fresh(name, force)
    fits = open_curves(path)
    chosen = asked_fits(fits, law)
    asked = asked_of(
        fits, list(chosen.values()), schedule, base_schedule, [at] if at else [], ask == "replay"
    )
    question = _question(
        chosen, asked, weight, from_start, shares_as_numbers(ask, values), longest, floor, level
    )
    answer = QUESTIONS[ask](question)
    caveats = (*answer.caveats, *_beyond(question, answer), *_other_bases(fits, question, answer))
    answer = replace(answer, caveats=caveats)
    document = {
        "schema_version": SCHEMA_VERSION,
        "kind": "schedule-plan",
        **_describe(ask, asked, question, answer),
    }
    plain = show.plain(document)
    if answer.rates is not None:
        _write_rates(answer.rates, rates_file)
        plain["rates"] = rates_file.name
    write_json(file, plain)
    if figure is not None:
        _draw(question, answer, asked, figure)
    if json:
        rest = {name: value for name, value in plain.items() if name not in ("schema_version", "kind")}
        show.document("schedule-plan", {"path": str(file), **rest})
    else:
        _print(ask, asked, question, answer)
        show.say(f"written: {file}" + (f", {rates_file}" if answer.rates is not None else ""))
    if strict and (answer.caveats or any(row.get("outside") for row in answer.rows)):
        raise typer.Exit(EXIT_DOUBTFUL)


def _question(
    chosen: dict[str, CurveFit],
    asked: Asked,
    weight: float | None,
    from_start: bool,
    values: str | None,
    longest: str | None,
    floor: float,
    level: float,
) -> Question:
    from dcpt.cli.curve_asking import Question
    from dcpt.core.quantity import parse_quantity

    aim = aim_of(chosen, weight, from_start)
    if not 0 < level < 1:
        raise ConfigError(f"--level {level:g}: wanted a probability between 0 and 1.")
    numbers = [] if values is None else [part.strip() for part in values.split(",") if part.strip()]
    return Question(
        setting=asked.setting(list(chosen.values())),
        aim=aim,
        fits=chosen,
        values=tuple(parse_quantity(part, "--values") for part in numbers),
        longest=None if longest is None else round(parse_quantity(longest, "--longest")),
        floor=floor,
        level=level,
        from_start=from_start,
    )


def _beyond(question: Question, answer: Answer) -> list[Any]:
    """Caveats on constants beyond the fitted ones, of the run asked about and of the best one."""
    from dcpt.fit.loss_curves.outside import outside
    from dcpt.plan.schedule.caveat import ScheduleCaveat

    histories = [setting.history() for setting in (question.setting, *answer.runs)]
    texts: dict[str, None] = {}
    for fit in question.fits.values():
        for history in histories:
            texts |= dict.fromkeys(outside(fit.ranges, {}, history))
    return [ScheduleCaveat("extrapolates_peak", text) for text in texts]


_SAME_POTENTIAL = 0.01
"""Loss potential around the fitted ones that counts as fitted: what the last step of a decay leaves."""


def _other_bases(fits: CurveFits, question: Question, answer: Answer) -> list[Any]:
    """A caveat where bases are asked about that were annealed otherwise than those of the fitted curves."""
    from dcpt.cli.curve_reading import base_schedule_of
    from dcpt.plan.schedule.caveat import ScheduleCaveat

    known: list[float] = []
    for text in fits.base_schedules:
        base = base_schedule_of(text)
        if base is not None:
            known.append(float(base.rates()[-1]) / base.peak)
    if answer.facts.get("knob") == "potential":
        asked = [float(row["potential"]) for row in answer.rows]
    elif known and question.setting.switch:
        front = question.setting.history().rates[: question.setting.switch]
        asked = [float(front[-1] / front.max())]
    else:
        return []
    low, high = (min(known), max(known)) if known else (1.0, 0.0)
    if known and low - _SAME_POTENTIAL <= min(asked) and max(asked) <= high + _SAME_POTENTIAL:
        return []
    fitted = f"{low:.2g}" if low == high else f"{low:.2g} to {high:.2g}"
    bases = f"have bases with a loss potential of {fitted}" if known else "do not say how their bases ended"
    return [
        ScheduleCaveat(
            "extrapolates_base",
            f"{_potentials(asked)}, and the fitted curves {bases}: what another end of pre-training does is "
            "carried over from continual pre-training.",
        )
    ]


def _potentials(asked: Sequence[float]) -> str:
    if len(asked) == 1:
        return f"The base's loss potential is {asked[0]:.2g}"
    return f"Loss potentials from {min(asked):.2g} to {max(asked):.2g} are compared"


def _describe(ask: str, asked: Asked, question: Question, answer: Answer) -> dict[str, Any]:
    aim = question.aim
    return {
        "question": ask,
        "answer": answer.words,
        **{name: value for name, value in answer.facts.items()},
        "rows": [dict(row) for row in answer.rows],
        "caveats": [{"kind": item.kind, "message": item.message} for item in answer.caveats],
        "run": {
            "schedule": asked.cpt.text,
            "base_schedule": None if asked.pre is None else asked.pre.text,
            "at": dict(asked.at),
        },
        "weights": {fit.side: weight for fit, weight in zip(aim.fits, aim.weights, strict=True)},
        "from_start": aim.from_start,
        "level": question.level,
        "laws": [
            {"side": fit.side, "eval_set": fit.eval_set, "law": fit.law.name, "fingerprint": fit.fingerprint}
            for fit in question.fits.values()
        ],
        "notes": [*asked.notes, *answer.notes],
    }


def _print(ask: str, asked: Asked, question: Question, answer: Answer) -> None:
    from dcpt.cli.curve_answers import TAKES

    front = "" if asked.pre is None else f"{asked.pre.text} | "
    laws = ", ".join(f"{fit.law.name} on {fit.eval_set}" for fit in question.fits.values())
    show.result(f"{ask}: {front}{asked.cpt.text}\n  {laws}")
    if len(question.fits) == 2 and "--weight" in TAKES[ask]:
        what = "changes from the base" if question.aim.from_start else "final losses"
        show.result(
            f"  {what} weighed {question.aim.weights[0]:g} general, {question.aim.weights[1]:g} domain"
        )
    show.result("\n" + "\n".join(f"  {line}" for line in answer.words.splitlines()))
    if answer.rows:
        flagged = any(row.get("outside") for row in answer.rows)
        show.result("\n" + show.table([_short(row, flagged) for row in answer.rows[:MOST_ROWS]]))
        if flagged:
            show.say("outside: what the laws were not fitted on, and how many times beyond it.")
    for item in answer.caveats:
        show.result(f"\n  doubt: {item.message}")
    for note in (*asked.notes, *answer.notes):
        show.say(f"note: {note}")


def _short(row: Any, flagged: bool) -> dict[str, Any]:
    """A row without the ends of intervals, which the file has, and without flags where no row has any."""
    kept = {name: value for name, value in row.items() if name != "outside"}
    short = {name: x for name, x in kept.items() if not name.endswith(("_lo", "_hi")) or len(kept) <= 8}
    return short | ({"outside": row.get("outside", "")} if flagged else {})


def _write_rates(rates: Sequence[float], path: Path) -> None:
    from dcpt.core.files import write_text

    lines = (f"{step},{float(rate)!r}" for step, rate in enumerate(rates, start=1))
    write_text(path, "\n".join(["step,lr", *lines]) + "\n")


def _draw(question: Question, answer: Answer, asked: Asked, figure: Path) -> None:
    from dcpt.cli.curve_figure import draw_prediction

    setting = answer.runs[0] if answer.runs else question.setting
    parts = [(fit, fit.eval_set, asked.constants[fit.eval_set]) for fit in question.fits.values()]
    draw_prediction(parts, setting.history(), question.level, figure)
