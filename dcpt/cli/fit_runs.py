"""Which laws are fitted to which evaluation sets, and how long each fit takes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcpt.core.errors import ConfigError, DataError, DcptError, FitError

if TYPE_CHECKING:
    from dcpt.core.loss_table import LossTable
    from dcpt.fit.fit_file import FitSet
    from dcpt.fit.law_fit import LawFit
    from dcpt.fit.tournament import Tournament
    from dcpt.laws.law import Law

AUTO = "auto"


def wanted_laws(names: Sequence[str] | None) -> list[Law]:
    """The laws that may be fitted: those of --law, every one there is, or the defaults of either side.

    Raises
    ------
    ConfigError
        When a law is unknown, or is named beside ``auto``.
    """
    from dcpt.fit.default_laws import LAWS
    from dcpt.laws.registry import get_law, list_laws

    if names and AUTO in names:
        if len(names) > 1:
            raise ConfigError("--law auto judges every law; name either it or some laws.")
        return list(list_laws())
    default = [name for side in LAWS.values() for name in side]
    return [get_law(name) for name in dict.fromkeys(names or default)]


def columns_to_keep(laws: Sequence[Law], auto: bool) -> tuple[str, ...]:
    """Columns to read beside those of every loss table; for ``auto`` those that families of laws see, too."""
    from dcpt.cli.given_table import further_inputs
    from dcpt.laws.registry import list_families

    families = [name for family in list_families() for name in family.columns] if auto else []
    return tuple(dict.fromkeys((*further_inputs(laws), *families)))


def check_ratios(laws: Sequence[Law], table: LossTable, path: Path) -> None:
    """Refuse laws that see the mixture for a table without ratios.

    Raises
    ------
    ConfigError
        Naming the law.
    """
    seeing = [item.name for item in laws if {"r", "s"} & set(item.inputs)]
    if seeing and not table.has_ratios:
        raise ConfigError(
            f"{path}: law {seeing[0]} sees the mixture; the table has no ratios.",
            hint="map your ratio column: --map r=YOUR_COLUMN; or choose a law without it: --law chinchilla",
        )


def choose_laws(
    table: LossTable, eval_sets: Sequence[str], laws: Sequence[Law] | None, asked: bool, metric: str
) -> tuple[dict[str, list[Law]], dict[str, str]]:
    """Laws to fit to each evaluation set, and "law on set" to why another one is not.

    Parameters
    ----------
    table : LossTable
        Measured losses.
    eval_sets : sequence of str
        The sets.
    laws : sequence of Law or None
        Laws that were named; None for the defaults of each side.
    asked : bool
        Whether the sets were named, too: then a law for the other side is a mistake, not passed over.
    metric : str
        Which loss.
    """
    from dcpt.fit.default_laws import default_laws, for_side

    chosen: dict[str, list[Law]] = {}
    refused: dict[str, str] = {}
    for name in eval_sets:
        if laws is None:
            chosen[name], left_out = default_laws(table, name, metric)
        else:
            chosen[name], left_out = (list(laws), {}) if asked else for_side(laws, table, name)
        refused |= {f"{law} on {name}": why for law, why in left_out.items()}
    return chosen, refused


def sets_to_fit(table: LossTable, asked: Sequence[str] | None) -> list[str]:
    """Evaluation sets asked for; else ``general`` and ``domain`` where the table has them, else all."""
    pooled = [name for name in table.eval_sets if name in ("general", "domain")]
    return list(dict.fromkeys(asked or pooled or table.eval_sets))


def best_laws(
    table: LossTable, eval_sets: Sequence[str], options: Mapping[str, Any]
) -> tuple[Tournament, dict[str, list[Law]]]:
    """The law that errs least on rows left out, of all that a table has the inputs of, by evaluation set."""
    from dcpt.fit.tournament import run_tournament
    from dcpt.laws.registry import get_law

    tournament = run_tournament(table, list(eval_sets), "auto", **_judging(options))
    return tournament, {name: [get_law(tournament.winner(name, laws_only=True))] for name in eval_sets}


def rank_named(
    table: LossTable, chosen: Mapping[str, Sequence[Law]], options: Mapping[str, Any]
) -> tuple[Tournament | None, str]:
    """Rank the laws that were named by their error on rows left out.

    Returns
    -------
    Tournament or None
    str
        Why there is none: a table can be fitted and still be too small to leave rows out.
    """
    from dcpt.fit.tournament import run_tournament

    names = {law.name: law for laws in chosen.values() for law in laws}
    sets = [eval_set for eval_set, laws in chosen.items() if laws]
    if not sets:
        return None, ""
    try:
        return run_tournament(table, sets, list(names.values()), **_judging(options)), ""
    except (ConfigError, DataError):
        raise
    # As in `_fitted`: numbers that pass every check and still leave the floats.
    except (FitError, ArithmeticError, ValueError) as error:
        return None, f"the laws are not ranked: {error}"


def _judging(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: options[name] for name in ("metric", "corners", "delta", "seed")}


def fit_each(
    table: LossTable,
    chosen: Mapping[str, Sequence[Law]],
    refused: Mapping[str, str],
    options: Mapping[str, Any],
) -> tuple[FitSet, list[float]]:
    """Fit every law to its evaluation sets, and time each fit.

    Parameters
    ----------
    table : LossTable
        Measured losses.
    chosen : mapping
        Evaluation set to the laws to fit to it.
    refused : mapping
        "law on set" to why it is not fitted; kept with the fits.
    options : mapping
        As in `dcpt.fit_law`.

    Returns
    -------
    FitSet, list of float
        The seconds of each fit, in their order.

    Raises
    ------
    FitError
        When no law can be fitted to a set.
    """
    from dcpt.fit.fit_file import FitSet

    fits: list[LawFit] = []
    seconds: list[float] = []
    reasons = dict(refused)
    for eval_set, laws in chosen.items():
        errors: list[FitError] = []
        for law in laws:
            start = time.perf_counter()
            try:
                fits.append(_fitted(law, table, eval_set, options))
            except FitError as error:
                reasons[f"{law.name} on {eval_set}"] = str(error)
                errors.append(error)
            else:
                seconds.append(time.perf_counter() - start)
        if errors and len(errors) == len(laws):
            raise errors[0]
    if not fits:
        raise FitError(
            f"nothing can be fitted: {'; '.join(f'{key}: {why}' for key, why in reasons.items())}."
        )
    return FitSet(tuple(fits), reasons), seconds


def laws_not_first(fits: FitSet) -> dict[str, str]:
    """Why predictions and plans take another law than the ranking's first, by evaluation set."""
    from dcpt.fit.chosen_law import why_not_first

    found = {name: why_not_first(fits, name) for name in fits.eval_sets}
    return {name: why for name, why in found.items() if why}


def _fitted(law: Law, table: LossTable, eval_set: str, options: Mapping[str, Any]) -> LawFit:
    from dcpt.fit.fit import fit_law

    try:
        return fit_law(law, table, eval_set, **options)
    except DcptError:
        raise
    # Numbers that pass every check and still leave the floats: no answer, and no traceback either.
    except (ArithmeticError, ValueError) as error:
        raise FitError(
            f"law {law.name} on {eval_set}: the fit broke down ({str(error).rstrip('.')}).",
            hint="check the table for numbers that cannot be meant; with none, this is a fault of dcpt",
        ) from error
