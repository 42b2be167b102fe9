"""One number to minimise, from the losses of several targets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.plan.mixtures.names import resolve, short_names
from dcpt.plan.mixtures.side_targets import SideTargets
from dcpt.plan.weights import parse_weights

Array = NDArray[np.float64]

MEAN, WORST = "mean", "worst"

_WORST = re.compile(r"worst(?:\s*\(([^)]*)\))?")


@dataclass(frozen=True)
class Goal:
    """A weighted mean of losses, or the greatest of scaled losses.

    Attributes
    ----------
    text : str
        As it was written.
    factor : ndarray, shape (k,)
        Weight of each target, 0 for those that do not count; they sum to 1 for a mean.
    offset : ndarray, shape (k,)
        Added to each scaled loss, of `worst` only.
    worst : bool
        Whether the greatest of ``factor * loss + offset`` is minimised, over targets of positive factor.
    """

    text: str
    factor: Array
    offset: Array
    worst: bool = False

    @property
    def columns(self) -> NDArray[np.int64]:
        """Targets that count."""
        return np.flatnonzero(self.factor > 0)

    def value(self, losses: Array) -> Array:
        """The objective, shape (...), of losses of shape (..., k)."""
        if not self.worst:
            return np.asarray(losses @ self.factor)
        at = self.columns
        return np.asarray((losses[..., at] * self.factor[at] + self.offset[at]).max(axis=-1))

    def spread(self, losses: Array, sd: Array) -> Array:
        """Standard deviation of the objective, shape (q,), when targets err independently by `sd`, (q, k)."""
        if not self.worst:
            return np.asarray(np.sqrt((sd**2) @ self.factor**2))
        at = self.columns
        first = at[np.argmax(losses[:, at] * self.factor[at] + self.offset[at], axis=1)]
        return np.asarray((sd * self.factor)[np.arange(len(losses)), first])


def goal_weights(
    text: str,
    targets: Sequence[str],
    sides: SideTargets | None = None,
    single: Sequence[str] | None = None,
) -> tuple[dict[str, float], bool]:
    """Weight of each target that counts, and whether the worst of them is meant.

    Parameters
    ----------
    text : str
        The goal as it was written.
    targets : sequence of str
        Targets there are.
    sides : mapping, optional
        Targets that stand for ``general`` and ``domain`` (see `side_targets`).
    single : sequence of str, optional
        Targets that ``mean`` and ``worst`` are over; by default all.

    Raises
    ------
    ConfigError
        When the text is no goal or names an unknown target.

    Examples
    --------
    >>> goal_weights("3*wiki + code", ["wiki", "code"])
    ({'wiki': 0.75, 'code': 0.25}, False)
    """
    stripped = text.strip()
    if stripped in (*targets, *short_names(targets)):
        # Also a target that is called "mean", or whose name no formula can hold.
        return {resolve(stripped, targets, "target", "minimise"): 1.0}, False
    worst = _WORST.fullmatch(stripped)
    if stripped == MEAN or worst is not None:
        inside = [part.strip() for part in (worst[1] or "").split(",") if part.strip()] if worst else []
        names = [resolve(name, targets, "target", "minimise") for name in inside]
        names = names or list(targets if single is None else single)
        return dict.fromkeys(names, 1.0 if worst else 1 / len(names)), worst is not None
    try:
        found = parse_weights(stripped)
    except ConfigError as error:
        raise ConfigError(
            error.message,
            hint="write 'mean', a target, a balance such as '0.7*wiki + 0.3*code', or 'worst'",
        ) from None
    total = sum(found.values())
    made: dict[str, float] = {}
    for name, weight in found.items():
        of_side = (sides or {}).get(name, ()) if name not in targets else ()
        for full in of_side or (resolve(name, targets, "target", "minimise"),):
            made[full] = made.get(full, 0.0) + weight / total / max(len(of_side), 1)
    return made, False


def make_goal(
    text: str,
    weights: Mapping[str, float],
    targets: Sequence[str],
    reference: Array | None = None,
) -> Goal:
    """The goal as numbers over some targets.

    Parameters
    ----------
    text : str
        As it was written.
    weights : mapping of str to float
        Weight of each target that counts; see `goal_weights`.
    targets : sequence of str, length k
        Targets of the surface, those that count among them.
    reference : ndarray, shape (k,), optional
        Losses that the worst target is relative to; without it the goal is a mean.
    """
    factor = np.array([weights.get(name, 0.0) for name in targets])
    offset = np.zeros(len(targets))
    if reference is None:
        return Goal(text, factor, offset)
    counts = factor > 0
    return Goal(text, np.where(counts, 1 / reference, 0.0), np.where(counts, -1.0, 0.0), worst=True)


def excess_goal(columns: Sequence[int], ceilings: Array, targets: int) -> Goal:
    """The greatest of losses over their ceilings, as a goal; of one ceiling a plain loss, without a kink."""
    factor = np.zeros(targets)
    for column, ceiling in zip(columns, ceilings, strict=True):
        # Of two ceilings on one target the lower one counts.
        factor[column] = max(factor[column], 1 / ceiling)
    return Goal("excess", factor, np.zeros(targets), worst=int((factor > 0).sum()) > 1)
