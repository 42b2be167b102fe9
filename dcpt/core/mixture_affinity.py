"""How much training on one corpus helps the loss on another, from short runs on one corpus each."""

from __future__ import annotations

import math
from collections.abc import Mapping

from dcpt.core.errors import DataError


def estimate_affinity(
    before: Mapping[str, float], after: Mapping[str, Mapping[str, float]], least_drop: float = 0.0
) -> dict[str, dict[str, float]]:
    """Affinity A_ij of trained to measured corpora, for `dcpt.core.mixture_reweighting.ReweightingSpec`.

    A_ij is the drop of the loss on j by training on i alone, over the largest drop that any of the corpora
    brings: the best teacher of each measured corpus has 1, one that does not help has 0. A corpus that
    nothing helps has no column. The runs start from one model and train for equally many tokens.

    Parameters
    ----------
    before : mapping
        Measured corpus to its loss before training, in any one unit.
    after : mapping
        Trained corpus to the losses after training on it alone, by measured corpus.
    least_drop : float
        Drops up to this count as none: the noise between seeds.

    Returns
    -------
    dict
        Trained corpus to measured corpus to A_ij in (0, 1]; pairs of 0 are left out.

    Raises
    ------
    DataError
        When a loss is missing or not a number, or no corpus helps any other.

    References
    ----------
    Chen et al. 2023, arXiv:2307.14430, for the graph from trained to measured corpora. The estimate is ours;
    it divides by the best drop so that the matrix is the identity when each corpus helps itself only.

    Examples
    --------
    >>> before = {"law": 3.0, "code": 4.0}
    >>> after = {"law": {"law": 2.0, "code": 3.9}, "code": {"law": 3.1, "code": 3.5}}
    >>> {i: {j: round(a, 3) for j, a in row.items()} for i, row in estimate_affinity(before, after).items()}
    {'law': {'law': 1.0, 'code': 0.2}, 'code': {'code': 1.0}}
    """
    drops: dict[str, dict[str, float]] = {}
    for trained, losses in after.items():
        drops[trained] = {}
        for measured, start in before.items():
            drop = start - losses.get(measured, math.nan)
            if not math.isfinite(drop):
                raise DataError(
                    f"affinity: the loss on {measured!r} is {start} before and "
                    f"{losses.get(measured)} after training on {trained!r}; wanted numbers."
                )
            drops[trained][measured] = drop if drop > least_drop else 0.0
    best = {measured: max((row[measured] for row in drops.values()), default=0.0) for measured in before}
    if not any(best.values()):
        raise DataError(
            f"affinity: no loss fell by more than {least_drop}; wanted at least one that training helps.",
            hint="train longer, or compare with the losses of the base",
        )
    return {
        trained: {measured: drop / best[measured] for measured, drop in row.items() if drop > 0}
        for trained, row in drops.items()
    }
