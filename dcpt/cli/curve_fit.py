"""``dcpt fit --law cpt-dynamics``: loss curves and a law of them in, parameters and errors out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dcpt.cli import show
from dcpt.core.errors import ConfigError

if TYPE_CHECKING:
    from dcpt.core.curve import Curve
    from dcpt.fit.loss_curves.curve_file import CurveFits
    from dcpt.fit.loss_curves.fit_sets import SetFits
    from dcpt.ingest.reading import Reading
    from dcpt.laws.curves import CurveLaw

REFITS = 100
"""Default of --bootstrap: a refit of curves reads every step of every history again."""


@dataclass(frozen=True)
class CurveFlags:
    """Flags that only fits of curves have.

    Attributes
    ----------
    side : str, optional
        Which side to fit.
    warmup, switch, base_schedule
        See `dcpt.fit.loss_curves.run_history.HistoryOptions`.
    burn_in : int
        First steps whose losses are not fitted.
    train, test : str, optional
        Curves to fit, and to score the fit on.
    figure : Path, optional
        Picture to draw.
    """

    side: str | None = None
    warmup: int | None = None
    switch: int | None = None
    base_schedule: str | None = None
    burn_in: int = 0
    train: str | None = None
    test: str | None = None
    figure: Path | None = None

    def given(self) -> dict[str, Any]:
        """Flag to what was said."""
        return {f"--{name.replace('_', '-')}": value for name, value in asdict(self).items()}


def on_curves(
    files: Sequence[Path],
    reading: tuple[Any, ...],
    laws: Sequence[str],
    eval_sets: Sequence[str],
    fix: Mapping[str, str],
    flags: CurveFlags,
    most: int,
    options: Mapping[str, Any],
    output: Path | None,
    force: bool,
    strict: bool,
    json: bool,
) -> None:
    """Read curves, fit, print and keep the fits.

    Parameters
    ----------
    files : sequence of Path
        The table, or a folder of them: one.
    reading : tuple
        Arguments of `dcpt.cli.given_table.reading_of`, but for the inputs.
    laws : sequence of str
        Names of laws of curves, or `dcpt.cli.curve_reading.AUTO_CURVE`.
    eval_sets : sequence of str
        Evaluation sets.
    fix : mapping
        Parameter to the value it is held at, as text.
    flags : CurveFlags
        What else is asked.
    most : int
        Losses of an evaluation set to fit.
    options : mapping
        metric, bootstrap, delta, seed and holdout.
    output : Path, optional
        Folder to write into.
    force, strict, json : bool
        As everywhere.
    """
    from dcpt.cli.curve_figure import check_figure
    from dcpt.cli.curve_out_of_domain import OUT_OF_DOMAIN, fit_third_sets
    from dcpt.cli.given_table import reading_of
    from dcpt.cli.options import fresh_in
    from dcpt.fit.loss_curves.curve_file import FILE_NAME
    from dcpt.fit.loss_curves.curve_rows import INPUTS

    if len(files) != 1:
        raise ConfigError(
            f"laws of curves: got {len(files)} tables; wanted one, or a folder of them.",
            hint="dcpt fit curves.csv --law cpt-dynamics",
        )
    *maps, wide = reading
    if OUT_OF_DOMAIN in laws:
        _check_third(laws, flags, options)
        read, metric = reading_of(*maps, INPUTS, wide), options["metric"]
        fit_third_sets(files[0], read, eval_sets, fix, metric, output, force, strict, json)
        return
    path = None if output is None else fresh_in(output, FILE_NAME, force)
    check_figure(flags.figure, force)
    fits = _fit(
        files[0], reading_of(*maps, INPUTS, wide), laws, eval_sets, fix, flags, most, options, path, json
    )
    if strict:
        check_doubts(fits)


def _fit(
    path: Path,
    reading: Reading,
    laws: Sequence[str],
    eval_sets: Sequence[str],
    fix: Mapping[str, str],
    flags: CurveFlags,
    most: int,
    options: Mapping[str, Any],
    output: Path | None,
    json: bool,
) -> CurveFits:
    from dcpt.cli.curve_bases import bases_of
    from dcpt.cli.curve_reading import eval_sets_of, laws_by_set, provenance_of_curves
    from dcpt.core.quantity import parse_quantity
    from dcpt.fit.loss_curves.chosen_curves import after, check_read, one_group, split, thinned
    from dcpt.fit.loss_curves.curve_file import CurveFits
    from dcpt.fit.loss_curves.curve_rows import read_curve_rows
    from dcpt.fit.loss_curves.fit_sets import fit_set
    from dcpt.fit.loss_curves.from_table import curves_of
    from dcpt.fit.loss_curves.summary import fits_text

    rows = read_curve_rows(path, reading, options["metric"])
    names, notes = eval_sets_of(rows, eval_sets, flags.side)
    chosen, left = laws_by_set(rows, names, laws, flags.side is not None or bool(eval_sets))
    notes = [*rows.notes, *notes, *left]
    fixed = {name: parse_quantity(text, f"--fix {name}") for name, text in fix.items()}
    made: list[SetFits] = []
    drawn: list[tuple[SetFits, list[Curve], list[Curve]]] = []
    seconds: dict[str, float] = {}
    bases: dict[str, None] = {}
    measured: dict[str, Any] = {}
    for name, own in chosen.items():
        found = curves_of(rows, name, _history_options(flags), _fits_bases(own))
        measured[name] = bases_of(found.curves)
        bases |= dict.fromkeys(found.base_schedules)
        notes += found.notes
        train, test = split(found.curves, flags.train, flags.test)
        if flags.burn_in:
            train, test = after(train, flags.burn_in), after(test, flags.burn_in) if test else []
        train, thin = thinned(train, most)
        train, shared = one_group(train)
        notes += [f"{name}: {note}" for note in (thin, shared) if note]
        kinds, only_best = _laws(own, train)
        for kind in () if only_best else kinds:
            check_read([*train, *test], kind.name, kind.needs)
        known = {parameter for kind in kinds for parameter in kind.names}
        others = {parameter for kind in _kinds(laws) for parameter in kind.names} - known
        start = time.perf_counter()
        item = fit_set(
            kinds,
            train,
            test,
            only_best=only_best,
            delta=options["delta"],
            bootstrap=REFITS if options["bootstrap"] is None else options["bootstrap"],
            seed=options["seed"],
            fixed={key: value for key, value in fixed.items() if key not in others},
            holdout=options["holdout"],
        )
        seconds[name] = time.perf_counter() - start
        made.append(item)
        drawn.append((item, train, test))
    for note in dict.fromkeys(notes):
        show.say(f"note: {note}")
    for reason, count in rows.dropped.items():
        show.say(f"note: {count} rows left out: {reason}")
    said = {name: value for name, value in asdict(flags).items() if name != "figure"}
    origin = {**provenance_of_curves(path, rows, reading, said), "bases": measured}
    fits = CurveFits(tuple(made), tuple(bases), origin)
    if output is not None:
        fits.save(output)
    figure = flags.figure
    if figure is not None:
        from dcpt.cli.curve_figure import draw_fits

        draw_fits(drawn, figure)
    if json:
        rest = {"notes": list(dict.fromkeys(notes)), "path": output, "figure": figure}
        from dcpt.cli.curve_document import describe

        show.document("curve-fit", {**describe(fits, seconds), **rest})
    else:
        show.result(fits_text(fits))
        show.say("nothing is written; -o FOLDER keeps the fits" if output is None else f"written: {output}")
        if figure is not None:
            show.say(f"drawn: {figure}")
    return fits


def _check_third(laws: Sequence[str], flags: CurveFlags, options: Mapping[str, Any]) -> None:
    """Refuse what means nothing for the combination of two losses."""
    from dcpt.cli.curve_options import refuse_beside
    from dcpt.cli.curve_out_of_domain import OUT_OF_DOMAIN

    if len(laws) > 1:
        raise ConfigError(
            f"--law {OUT_OF_DOMAIN} is fitted by itself; got {', '.join(laws)}.",
            hint="fit the laws of the two losses first; both fits fit into one folder",
        )
    rest = {"--bootstrap": options["bootstrap"], "--delta": options["delta"]}
    refuse_beside(f"--law {OUT_OF_DOMAIN}", flags.given() | rest)


def check_doubts(fits: CurveFits) -> None:
    """End with the exit code of a doubtful answer where there is a reason to doubt it."""
    from dcpt.core.errors import EXIT_DOUBTFUL

    if any(fit.status != "converged" or fit.warnings for fit in fits):
        raise typer.Exit(EXIT_DOUBTFUL)


def _fits_bases(laws: Sequence[str]) -> bool:
    """Whether losses of the base are data for these laws: to some they are unknown, to some given."""
    return not any("unknown-base" in law.name or {"L0", "G0"} & set(law.needs) for law in _kinds(laws))


def _kinds(laws: Sequence[str]) -> list[CurveLaw]:
    """The laws that are named."""
    from dcpt.cli.curve_reading import AUTO_CURVE
    from dcpt.laws.curves.registry import get_curve_law

    return [get_curve_law(name) for name in laws if name != AUTO_CURVE]


def _history_options(flags: CurveFlags) -> Any:
    from dcpt.cli.curve_reading import base_schedule_of
    from dcpt.fit.loss_curves.run_history import HistoryOptions

    for flag, value in (("--warmup", flags.warmup), ("--switch", flags.switch), ("--burn-in", flags.burn_in)):
        if value is not None and value < 0:
            raise ConfigError(f"{flag} {value}: wanted a number of steps, 0 or more.")
    return HistoryOptions(flags.warmup, flags.switch, base_schedule_of(flags.base_schedule))


def _laws(names: Sequence[str], curves: Sequence[Curve]) -> tuple[list[Any], bool]:
    """The laws to fit, and whether only what predicts best of them is kept."""
    from dcpt.cli.curve_reading import AUTO_CURVE
    from dcpt.fit.loss_curves.fit_sets import candidates
    from dcpt.laws.curves.registry import get_curve_law

    if AUTO_CURVE in names:
        if len(names) > 1:
            raise ConfigError(f"--law {AUTO_CURVE} compares laws by itself; name either it or some laws.")
        return [get_curve_law(name) for name in candidates(curves)], True
    return [get_curve_law(name) for name in dict.fromkeys(names)], False
