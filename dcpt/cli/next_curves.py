"""``dcpt next --schedule``: which runs to buy next where the fits are of loss curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcpt.cli import show
from dcpt.cli.curve_aim import aim_of, asked_fits
from dcpt.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from dcpt.core.curve import Curve
    from dcpt.fit.loss_curves.curve_file import CurveFits
    from dcpt.fit.loss_curves.curve_fit import CurveFit
    from dcpt.fit.loss_curves.curve_rows import CurveRows
    from dcpt.plan.next_runs.curves.answer import Solver
    from dcpt.plan.next_runs.prices import Prices
    from dcpt.plan.next_runs.stopping import StoppingRule
    from dcpt.plan.schedule.setting import Setting

ASK = ("replay", "anneal-share", "peak", "rewarm", "final-loss")
"""Questions whose answer runs can be bought for."""

PEAK_FACTORS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
"""Peaks that are compared, as multiples of the schedule's."""

REWARM_SHARES = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1)
"""Lengths of the re-warm-up that are compared, as shares of the steps."""


def next_for_curves(
    path: Path,
    schedule: str,
    base_schedule: str | None,
    ask: str | None,
    at: str | None,
    keep: Sequence[str],
    weight: float | None,
    from_start: bool,
    values: str | None,
    losses: Path | None,
    candidates: Path | None,
    prices: Prices,
    rule: StoppingRule,
    batch: int,
    max_flops: float | None,
    level: float,
    law: str | None,
    json: bool,
) -> None:
    """Advise, and print the advice.

    Parameters
    ----------
    path : Path
        Fits of curves: their folder or file.
    schedule, base_schedule, at
        The run the question is about.
    ask : str, optional
        One of `ASK`; the replay share by default.
    keep : sequence of str
        A limit on the general loss: the domain share that keeps it is the answer.
    weight, from_start, values
        As in ``dcpt plan --schedule``.
    losses : Path, optional
        The curves the fits were made from.
    candidates : Path, optional
        Runs to choose from.
    prices, rule, batch, max_flops, level
        As in `dcpt.plan.next_runs.curves.advise.advise_curves`.
    law : str, optional
        The law; the best single one by default.
    json : bool
        Print one document.
    """
    from dcpt.cli.curve_answers import shares_as_numbers
    from dcpt.cli.curve_question import asked_of, open_curves
    from dcpt.core.symbols import DOMAIN, GENERAL
    from dcpt.plan.next_runs.curves.advise import advise_curves
    from dcpt.plan.next_runs.curves.offered import Shelf, default_runs
    from dcpt.plan.next_runs.curves.run_file import read_runs

    if not 0 < level < 1:
        raise ConfigError(f"--level {level:g}: wanted a probability between 0 and 1.")
    fits = open_curves(path)
    chosen = asked_fits(fits, law)
    if keep:
        chosen = {side: fit for side, fit in chosen.items() if side == GENERAL}
    open_share = bool(keep) or ask in (None, "replay")
    asked = asked_of(fits, list(chosen.values()), schedule, base_schedule, [at] if at else [], open_share)
    setting = asked.setting(list(chosen.values()))
    values = shares_as_numbers(ask or "replay", values)
    answer, solve = _question(chosen, setting, ask, keep, weight, from_start, values)
    rows, curves, notes = _curves(fits, chosen, losses)
    named = rows.frame[rows.frame["schedule"] != ""]
    shelf = Shelf(curves, dict(zip(named["run_id"], named["schedule"], strict=True)), prices)
    runs = (
        default_runs(shelf, {asked.cpt.text: asked.cpt})
        if candidates is None
        else read_runs(candidates, shelf)
    )
    advice = advise_curves(
        chosen,
        curves,
        solve,
        runs,
        rule,
        answer=answer,
        batch=batch,
        max_flops=max_flops,
        level=level,
        notes=(*asked.notes, *notes, *_outside(chosen, setting, ask, bool(keep))),
    )
    if json:
        sides = [side for side in (GENERAL, DOMAIN) if side in chosen]
        laws = [{"side": side, "law": chosen[side].law.name} for side in sides]
        rest = {"schedule": asked.cpt.text, "at": dict(asked.at), "laws": laws}
        show.document("next-curves", {**advice.to_dict(), **rest})
    else:
        show.result(advice.summary())


def _outside(chosen: Mapping[str, CurveFit], setting: Setting, ask: str | None, limited: bool) -> list[str]:
    """A note on what of the run asked about lies outside the fitted curves."""
    from dcpt.plan.schedule.outside import outside_curves

    found = outside_curves(chosen.values(), [setting])[0].split(", ")
    # Of a mixture that is itself looked for, the one given says nothing.
    looked_for = {"s"} if limited or (ask or "replay") == "replay" else set()
    told = [item for item in found if item and item not in looked_for]
    if not told:
        return []
    return [
        f"The run asked about lies outside the fitted curves ({', '.join(told)}): widths say little there."
    ]


def _question(
    chosen: Mapping[str, CurveFit],
    setting: Setting,
    ask: str | None,
    keep: Sequence[str],
    weight: float | None,
    from_start: bool,
    values: str | None,
) -> tuple[str, Solver]:
    """The name of the answer, and what solves for it."""
    from dcpt.core.symbols import GENERAL
    from dcpt.plan.limit import Limit
    from dcpt.plan.next_runs.curves.answer import loss_of, share_under

    if keep:
        for flag, given in (("--ask", ask), ("--weight", weight), ("--values", values)):
            if given is not None:
                raise ConfigError(f"{flag} means nothing beside --keep: the limit says what is asked.")
        if len(keep) > 1:
            raise ConfigError(f"--keep: got {len(keep)} limits; fits of curves answer one.")
        if GENERAL not in chosen:
            raise ConfigError("--keep: the general loss is not among the fits.")
        if "s" not in chosen[GENERAL].law.needs:
            raise ConfigError(
                f"--keep: law {chosen[GENERAL].law.name} does not know the mixture; wanted one that does.",
                hint="fit cpt-dynamics+replay or joint-general to curves of several mixtures",
            )
        return f"domain share that keeps {keep[0]}", share_under(Limit.parse(keep[0]), setting)
    ask = ask or "replay"
    if ask not in ASK:
        raise ConfigError(f"--ask {ask}: runs are bought for {', '.join(ASK)}, or for a limit (--keep).")
    aim = aim_of(chosen, weight, from_start)
    if ask == "final-loss":
        if values is not None:
            raise ConfigError("--values means nothing for the question final-loss; drop it.")
        return "final loss", loss_of(aim, setting)
    return {"replay": "replay share", "anneal-share": "share of the steps to anneal"}.get(ask, ask), _knob(
        ask, aim, setting, values
    )


def _knob(ask: str, aim: Any, setting: Setting, text: str | None) -> Solver:
    from dcpt.core.quantity import parse_quantity
    from dcpt.plan.next_runs.curves.answer import best_of
    from dcpt.plan.schedule import knobs

    numbers = (
        [] if text is None else [parse_quantity(part, "--values") for part in text.split(",") if part.strip()]
    )
    cpt = setting.schedule
    shape: Any = cpt.shape if cpt.kind == "wsd" else "1-sqrt"
    peaks = numbers or [cpt.peak * factor for factor in PEAK_FACTORS]
    steps = [round(x) for x in numbers] or sorted({round(part * cpt.steps) for part in REWARM_SHARES})
    make: dict[str, Callable[[Any], Any]] = {
        "replay": lambda one: knobs.sweep_replay(one, setting, numbers or knobs.REPLAY_SHARES),
        "anneal-share": lambda one: knobs.sweep_annealing(
            one, setting, numbers or knobs.ANNEAL_SHARES, shape
        ),
        "peak": lambda one: knobs.sweep_peak(one, setting, peaks),
        "rewarm": lambda one: knobs.sweep_rewarm(one, setting, steps),
    }
    return best_of(make[ask], aim)


def _curves(
    fits: CurveFits, chosen: Mapping[str, CurveFit], losses: Path | None
) -> tuple[CurveRows, dict[str, list[Curve]], list[str]]:
    """The curves that fits were made from, read again as they were then."""
    from dcpt.cli.curve_reading import base_schedule_of
    from dcpt.core.files import file_hash
    from dcpt.fit.loss_curves.chosen_curves import after, one_group, thinned
    from dcpt.fit.loss_curves.curve_rows import read_curve_rows
    from dcpt.fit.loss_curves.from_table import curves_of
    from dcpt.fit.loss_curves.rows import past_warm_up
    from dcpt.fit.loss_curves.run_history import HistoryOptions
    from dcpt.ingest.reading import Reading

    origin = fits.provenance.get("input", {})
    if losses is None:
        raise ConfigError(
            "fits of loss curves do not hold the curves, which say what is known already.",
            hint=f"pass --losses {origin.get('file', 'FILE')}",
        )
    reading = Reading.from_dict(origin["reading"], str(losses)) if "reading" in origin else Reading()
    rows = read_curve_rows(losses, reading)
    said = fits.provenance.get("said", {})
    base = base_schedule_of(said.get("base_schedule"))
    options = HistoryOptions(said.get("warmup"), said.get("switch"), base)
    found: dict[str, list[Curve]] = {}
    for side, fit in chosen.items():
        base_point = not ("unknown-base" in fit.law.name or {"L0", "G0"} & set(fit.law.needs))
        every = curves_of(rows, fit.eval_set, options, base_point).curves
        kept = [curve for curve in every if curve.name in fit.curves]
        if len(kept) < len(fit.curves):
            missing = sorted(set(fit.curves) - {curve.name for curve in kept})
            raise DataError(
                f"{losses}: has no curve {missing[0]!r} of {fit.eval_set}, which the fit was made from."
            )
        kept = past_warm_up(after(kept, said["burn_in"]) if said.get("burn_in") else kept)[0]
        _check_same(fit, kept, losses)
        found[side] = one_group(thinned(kept, max(fit.rows, 2 * len(kept)))[0])[0]
    notes = []
    if losses.is_file() and origin.get("sha256") not in (None, file_hash(losses)):
        notes.append(f"{losses} is not the file the fits were made from: it has changed since.")
    return rows, found, notes


OTHER = 3.0
"""Times the scatter of the fitted losses from which losses are taken for others: of another unit, say."""


def _check_same(fit: CurveFit, curves: Sequence[Curve], losses: Path) -> None:
    """Refuse losses that the fit misses by far more than those it was made from."""
    import numpy as np

    from dcpt.fit.loss_curves.solve import scatter

    missed = np.concatenate([np.log(fit.mean(curve)) - np.log(curve.loss) for curve in curves])
    found = max(scatter(missed), abs(float(np.median(missed))))
    if found > OTHER * max(fit.residual_sigma, 1e-4):
        raise DataError(
            f"{losses}: its losses of {fit.eval_set} are missed by {100 * found:.2g} %, those the fit was "
            f"made from by {100 * fit.residual_sigma:.2g} %: they are others.",
            hint="wanted the table of the fits, in nats per token",
        )
