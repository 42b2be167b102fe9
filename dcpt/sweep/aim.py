"""What rounds of mixtures look for: the lowest weighted loss among those that keep the limits."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.core.symbols import DOMAIN
from dcpt.plan.limit import Limit
from dcpt.plan.weights import parse_weights, spell_weights

Array = NDArray[np.float64]

BREACH = 100.0
"""What a nat above a limit weighs beside a nat of the loss that is minimised: more than any gain is worth,
and still a slope towards the limit where every mixture breaches it."""


@dataclass(frozen=True)
class Aim:
    """A weighted loss to minimise and limits to keep.

    Attributes
    ----------
    weights : mapping of str to float
        Corpus, or pooled side, to the weight of its loss.
    limits : tuple of Limit
        Limits on losses of corpora or sides.
    """

    weights: Mapping[str, float]
    limits: tuple[Limit, ...] = ()

    @classmethod
    def parse(cls, minimise: str, keep: Sequence[str], roles: Mapping[str, str]) -> Aim:
        """Read an aim as people write it.

        Parameters
        ----------
        minimise : str
            ``law``, ``domain``, or ``0.7*law + 0.3*wiki``.
        keep : sequence of str
            ``general <= +2%``, ``wiki <= 3.1``.
        roles : mapping of str to str
            Corpus to its side. A side with one corpus means that corpus.

        Raises
        ------
        ConfigError
            When a text is neither, or a name is no corpus and no side.
        """
        weights: dict[str, float] = {}
        for name, weight in parse_weights(minimise).items():
            target = _target(name, roles, "minimise")
            weights[target] = weights.get(target, 0.0) + weight
        limits = [Limit.parse(text) for text in keep]
        named = tuple(
            limit.model_copy(update={"eval_set": _target(limit.eval_set, roles, "keep")}) for limit in limits
        )
        return cls(weights, named)

    def score(self, losses: Array, targets: Sequence[str], ceilings: Mapping[str, float]) -> Array:
        """What is minimised: the weighted loss, and `BREACH` times what exceeds a ceiling.

        Parameters
        ----------
        losses : ndarray, shape (..., k)
            Losses on the targets.
        targets : sequence of str
            Their names.
        ceilings : mapping of str to float
            Highest loss allowed, by target (see `ceilings`).

        Returns
        -------
        ndarray, shape (...)
        """
        column = {name: number for number, name in enumerate(targets)}
        total = np.zeros(losses.shape[:-1])
        for name, weight in self.weights.items():
            total += weight * losses[..., column[name]]
        for name, most in ceilings.items():
            total += BREACH * np.maximum(losses[..., column[name]] - most, 0.0)
        return total

    def ceilings(self, now: Mapping[str, float]) -> dict[str, float]:
        """Highest loss allowed on each limited target, from the losses of the base; the lowest of several."""
        found: dict[str, float] = {}
        for limit in self.limits:
            most = limit.ceiling(now.get(limit.eval_set))
            found[limit.eval_set] = min(most, found.get(limit.eval_set, most))
        return found

    @property
    def text(self) -> dict[str, object]:
        """As JSON values that `parse` reads."""
        return {"minimise": spell_weights(dict(self.weights)), "keep": [str(limit) for limit in self.limits]}


def _target(name: str, roles: Mapping[str, str], where: str) -> str:
    """A corpus, or a side by its only corpus or its pooled loss."""
    if name in roles:
        return name
    side = [corpus for corpus, role in roles.items() if role == name]
    if len(side) > 1:
        return name
    if side:
        return side[0]
    known = [*roles, *dict.fromkeys(roles.values())]
    close = difflib.get_close_matches(name, known, n=1)
    raise ConfigError(
        f"{where}: {name!r} is no corpus and no side; wanted one of {', '.join(known)}.",
        f"did you mean {close[0]!r}?" if close else None,
    )


DEFAULT_AIM = DOMAIN
"""What is minimised unless said otherwise: the pooled loss of the domain side."""
