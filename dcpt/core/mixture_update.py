"""One update of the shares from losses: Skill-It's formula, bounds, and whole sequences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

from dcpt.core.errors import DataError
from dcpt.core.mixture_reweighting import ReweightingSpec

Losses = Mapping[str, float]

# Keeps a weight above zero in floating point, so that bounds on the others can always be met.
_LEAST_EXPONENT = -700.0


def pooled_losses(
    rule: ReweightingSpec, names: Sequence[str], recent: Sequence[Losses], first: Losses
) -> dict[str, float]:
    """The S_j of the update: losses of each measured corpus over the window; 1 without evaluations.

    Parameters
    ----------
    rule : ReweightingSpec
        Window, pooling and normalisation.
    names : sequence of str
        Measured corpora that count (`ReweightingSpec.reads`).
    recent : sequence of mapping
        Corpus to held-out loss in nats per token, one for each evaluation, oldest first.
    first : mapping
        Losses of the run's first evaluation.

    Raises
    ------
    DataError
        When an evaluation lacks a corpus, a loss is not a number from 0 on, or one to divide by is 0.
    """
    window = recent[-rule.window :]
    pooled = {}
    for name in names if window else ():
        values = [losses.get(name, math.nan) for losses in (first, *window)]
        if not all(math.isfinite(value) and value >= 0 for value in values):
            raise DataError(f"reweighting: losses of corpus {name!r} are {values}; wanted numbers from 0 on.")
        if rule.relative and values[0] == 0:
            raise DataError(
                f"reweighting: the first loss of corpus {name!r} is 0; nothing is relative to it."
            )
        total = math.fsum(values[1:]) / (values[0] if rule.relative else 1.0)
        pooled[name] = total / len(window) if rule.pooling == "mean" else total
    return pooled or dict.fromkeys(names, 1.0)


def updated_shares(
    rule: ReweightingSpec,
    prior: Mapping[str, float],
    recent: Sequence[Losses],
    first: Losses,
    sequences: int,
) -> dict[str, Fraction]:
    """Shares of tokens until the next update.

    The shares maximise ``strength * sum_ij p_i A_ij S_j - KL(p || prior)`` within the bounds; without
    bounds that is ``p_i proportional to prior_i exp(strength * sum_j A_ij S_j)``.

    Parameters
    ----------
    rule : ReweightingSpec
        The rule; its `check_mixture` and `check_run` have passed.
    prior : mapping
        Corpus to its share in the mixture as the run's spec has it.
    recent : sequence of mapping
        Losses of the evaluations, oldest first (see `pooled_losses`); empty at the start of a run.
    first : mapping
        Losses of the first evaluation; not read before it.
    sequences : int
        Sequences between two updates: bounds are rounded inwards to these.

    Returns
    -------
    dict of str to Fraction
        Exactly within the bounds and exactly of sum 1.

    Raises
    ------
    DataError
        When a loss that is read is missing, not a number from 0 on, or 0 where it divides.

    References
    ----------
    Chen et al. 2023, arXiv:2307.14430 (see `ReweightingSpec`).
    """
    names = rule.reads(prior)
    pooled = pooled_losses(rule, names, recent, first)
    strength = rule.strength
    if rule.by_progress and recent:
        begun, now = (math.fsum(losses[name] for name in names) for losses in (first, recent[-1]))
        if now == 0:
            raise DataError("reweighting: all losses are 0; the strength by progress has no limit.")
        strength *= begun / now
    gains = {
        name: strength * math.fsum(value * pooled.get(j, 0.0) for j, value in rule.row(name).items())
        for name in prior
    }
    top = max(gain for name, gain in gains.items() if prior[name] > 0)
    weights = {
        name: Fraction(repr(share)) * Fraction(math.exp(max(gains[name] - top, _LEAST_EXPONENT)))
        if share
        else Fraction(0)
        for name, share in prior.items()
    }
    limits = rule.limits(prior, sequences)
    return bounded_shares(
        weights,
        {name: Fraction(low, sequences) for name, (low, _) in limits.items()},
        {name: Fraction(high, sequences) for name, (_, high) in limits.items()},
    )


def bounded_shares(
    weights: Mapping[str, Fraction], least: Mapping[str, Fraction], most: Mapping[str, Fraction]
) -> dict[str, Fraction]:
    """Shares proportional to the weights wherever the bounds let them be.

    ``p_i = min(max(scale * w_i, least_i), most_i)`` with the scale that makes the sum 1: of all shares
    within the bounds those nearest to the weights in the sense of KL(p || w), by the conditions of Karush,
    Kuhn and Tucker. A weight of 0 gives a share of 0.

    Parameters
    ----------
    weights : mapping
        0 or more; some above 0.
    least, most : mapping
        Bounds by the same names: ``sum(least) <= 1 <= sum(most)`` over the weights above 0.

    Returns
    -------
    dict of str to Fraction
    """
    alive = {name: weight for name, weight in weights.items() if weight > 0}

    def at(scale: Fraction) -> dict[str, Fraction]:
        return {name: min(max(scale * weight, least[name]), most[name]) for name, weight in alive.items()}

    # The sum grows with the scale, linearly between the scales where a share meets a bound.
    edges = sorted({bound[name] / weight for name, weight in alive.items() for bound in (least, most)})
    below = Fraction(0)
    for edge in edges:
        if sum(at(edge).values()) >= 1:
            break
        below = edge
    free = [name for name, weight in alive.items() if least[name] <= below * weight < most[name]]
    fixed = sum((share for name, share in at(below).items() if name not in free), Fraction(0))
    weight_free = sum((alive[name] for name in free), Fraction(0))
    shares = at((1 - fixed) / weight_free if weight_free else below)
    return {name: shares.get(name, Fraction(0)) for name in weights}


def whole_sequences(
    shares: Mapping[str, Fraction], sequences: int, owed: Mapping[str, Fraction]
) -> dict[str, int]:
    """Sequences of each corpus, every one within less than 1 of ``share * sequences``.

    Whole parts first; the sequences left go to the corpora with the largest fractional part plus what
    rounding has kept from them so far, in order of name where these are equal.

    Parameters
    ----------
    shares : mapping
        Of sum 1.
    sequences : int
        To hand out.
    owed : mapping
        Corpus to the sequences it should have had in earlier calls minus those it got.

    Returns
    -------
    dict of str to int
        Of sum `sequences`.
    """
    counts = {name: math.floor(share * sequences) for name, share in shares.items()}
    rest = {name: share * sequences - counts[name] for name, share in shares.items()}
    order = sorted(
        (name for name in shares if rest[name] > 0),
        key=lambda name: (-(rest[name] + owed.get(name, 0)), name),
    )
    for name in order[: sequences - sum(counts.values())]:
        counts[name] += 1
    return counts
