"""Which of some curves, and which of their losses, are fitted, and how much each of them counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from dcpt.core.curve import Curve
from dcpt.core.errors import ConfigError
from dcpt.fit.loss_curves.guards import groups_of
from dcpt.fit.loss_curves.rows import past_warm_up

Array = NDArray[np.float64]

_READERS = {"N": "cpt-dynamics+size", "s": "cpt-dynamics+replay"}
_READ_AS = {"N": ("N", "G0"), "s": ("s",)}
"""What tells a law the size or the mixture of a curve: the base's general loss stands for its size."""

_WORDS: Mapping[str, str] = {"N": "sizes N", "s": "mixtures r"}


def named(curves: Sequence[Curve], names: str, what: str) -> list[Curve]:
    """Curves by their names: some of them separated by ``|``, ``*`` standing for anything.

    Raises
    ------
    ConfigError
        When a name is that of no curve; the hint says which one is meant.
    """
    known = [curve.name for curve in curves]
    wanted: set[str] = set()
    for pattern in filter(None, (part.strip() for part in names.split("|"))):
        found = [name for name in known if name == pattern or fnmatchcase(name, pattern)]
        if not found:
            near = get_close_matches(pattern, known, n=1)
            listed = ", ".join(known[:12]) + (" ..." if len(known) > 12 else "")
            raise ConfigError(
                f"{what}: no curve is named {pattern!r}; there are {listed}.",
                hint=f"did you mean {near[0]!r}?" if near else None,
            )
        wanted |= set(found)
    if not wanted:
        raise ConfigError(f"{what}: names no curve.")
    return [curve for curve in curves if curve.name in wanted]


def split(curves: Sequence[Curve], train: str | None, test: str | None) -> tuple[list[Curve], list[Curve]]:
    """Curves to fit and curves to score the fit on; all are fitted when neither is named.

    Fits leave out what was measured during the warm-up in front; curves to score them on come without it.

    Raises
    ------
    ConfigError
        When a name is unknown, a curve is named for both, or none is left to fit.
    DataError
        When a curve to score on has no other losses.
    """
    if train is None and test is None:
        return list(curves), []
    tested = named(curves, test, "--test") if test is not None else []
    trained = (
        named(curves, train, "--train")
        if train is not None
        else [curve for curve in curves if curve not in tested]
    )
    if test is None:
        tested = [curve for curve in curves if curve not in trained]
    both = [curve.name for curve in trained if curve in tested]
    if both:
        raise ConfigError(f"curve {both[0]} is named by both --train and --test; wanted one of them.")
    if not trained:
        raise ConfigError("--test names every curve; none is left to fit.")
    return trained, past_warm_up(tested)[0]


def after(curves: Sequence[Curve], steps: int) -> list[Curve]:
    """Curves without their losses in the first so many steps, of continual pre-training where there is some.

    The loss of the base stays.

    Raises
    ------
    ConfigError
        When a curve has no loss beyond them.
    """
    kept = []
    for curve in curves:
        switch = curve.history.switch
        start = switch if curve.steps[-1] > switch else 0  # a base's own curve ends at the switch
        seen = (curve.steps > start + steps) | ((curve.steps <= start) & (start > 0))
        if not (curve.steps[seen] > start).any():
            raise ConfigError(
                f"curve {curve.name}: has no loss beyond a burn-in of {steps} steps; its last step is "
                f"{curve.steps[-1] - start}."
            )
        kept.append(curve.take(seen))
    return kept


def thinned(curves: Sequence[Curve], most: int) -> tuple[list[Curve], str]:
    """At most so many losses in all, every curve thinned evenly; and a note when some were left out."""
    total = sum(len(curve) for curve in curves)
    if total <= most:
        return list(curves), ""
    kept = []
    for curve in curves:
        count = max(2, int(len(curve) * most / total))
        kept.append(curve.take(np.unique(np.linspace(0, len(curve) - 1, count).round().astype(np.int64))))
    left = sum(len(curve) for curve in kept)
    return kept, f"there are {total} losses; {left} of them, evenly spread along the curves, are fitted."


def unseen(others: Sequence[Curve], fitted: Sequence[Curve]) -> list[Curve]:
    """Other curves without the losses that fitted ones have too, as branches of one trunk do.

    A curve of which nothing is left is left out.
    """
    known = {pair for curve in fitted for pair in zip(curve.steps.tolist(), curve.loss.tolist(), strict=True)}
    kept = []
    for curve in others:
        pairs = zip(curve.steps.tolist(), curve.loss.tolist(), strict=True)
        new = np.array([pair not in known for pair in pairs])
        if new.any():
            kept.append(curve.take(new))
    return kept


def one_group(curves: Sequence[Curve]) -> tuple[list[Curve], str]:
    """Curves that begin with the same losses in one group, and a note on them ("" when there are none)."""
    groups = groups_of(curves)
    moved = [curve.name for curve, group in zip(curves, groups, strict=True) if curve.group != group]
    if not moved:
        return list(curves), ""
    note = (
        f"{', '.join(moved[:3])}{' ...' if len(moved) > 3 else ''} begin with the losses of other curves: "
        "they are branches of one run, are resampled together, and what they share counts once."
    )
    return [replace(curve, group=group) for curve, group in zip(curves, groups, strict=True)], note


def counted_once(curves: Sequence[Curve]) -> list[Array] | None:
    """Weights under which a loss that curves share counts once; None when none is shared.

    Branches share the losses of their trunk, and all curves from a base share its loss.
    """
    keys = [
        [
            ("" if step <= curve.history.switch else group, step, loss)
            for step, loss in zip(curve.steps.tolist(), curve.loss.tolist(), strict=True)
        ]
        for curve, group in zip(curves, groups_of(curves), strict=True)
    ]
    times: dict[tuple[str, int, float], int] = {}
    for key in (key for row in keys for key in row):
        times[key] = times.get(key, 0) + 1
    if max(times.values()) == 1:
        return None
    return [np.array([1.0 / times[key] for key in row]) for row in keys]


_SOURCES: Mapping[str, str] = {
    "N": "map the column of sizes: --map N=COLUMN; or give the one there is: --set N=7M",
    "s": "map the column of domain shares: --map r=COLUMN; or give the one there is: --set r=0.3",
    "L0": "the table needs the base's loss: rows of phase base with its N, or a first row at the switch",
    "G0": "the table needs the base's general loss: rows of phase base, on the general set",
}
"""How a table says what a law reads."""


def check_read(curves: Sequence[Curve], law: str, needs: Sequence[str]) -> None:
    """Refuse curves that lack what a law reads.

    Raises
    ------
    ConfigError
        Naming it, the curve, and how a table says it.
    """
    for curve in curves:
        for key in needs:
            if key not in curve.given:
                shown = "r" if key == "s" else key
                raise ConfigError(
                    f"law {law} reads {shown}, which curve {curve.name} does not have.",
                    hint=_SOURCES.get(key, f"map its column: --map {shown}=COLUMN"),
                )


def check_constants(curves: Sequence[Curve], law: str, needs: Sequence[str]) -> None:
    """Refuse curves of several sizes or mixtures for a law that does not see which they are of.

    Raises
    ------
    ConfigError
        Naming what differs.
    """
    for key, reader in _READERS.items():
        shown = "r" if key == "s" else key
        values = sorted({curve.given[shown] for curve in curves if shown in curve.given})
        if len(values) > 1 and not set(_READ_AS[key]) & set(needs):
            listed = ", ".join(f"{value:g}" for value in values[:6])
            raise ConfigError(
                f"law {law} does not read {key}, but the curves have {len(values)} {_WORDS[key]}: {listed}.",
                hint=f"choose one of them: --where {shown}={values[0]:.12g}; or a law that does: {reader}",
            )
