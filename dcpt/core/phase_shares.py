"""What a mixture of several phases comes to over a run: sequences and shares of each corpus."""

from __future__ import annotations

from dcpt.core.mixture import MixtureSpec
from dcpt.core.symbols import DOMAIN


def sequences_by_corpus(mixture: MixtureSpec, sequences: int) -> dict[str, float]:
    """Sequences each corpus is asked for among the first `sequences` of a run, phase by phase.

    Parameters
    ----------
    mixture : MixtureSpec
        Its shares and phases; a reweighting is not known before the run and left out.
    sequences : int
        Sequences of the run.
    """
    if len(mixture.phases) == 1:
        return {name: sequences * share for name, share in mixture.phases[0].shares.items()}
    counts = dict.fromkeys(mixture.roles, 0.0)
    ends = [*(phase.start for phase in mixture.phases[1:]), sequences]
    for phase, end in zip(mixture.phases, ends, strict=True):
        length = max(0, min(end, sequences) - phase.start)
        for name, share in phase.shares.items():
            counts[name] += length * share
    return counts


def shares_over_run(mixture: MixtureSpec, sequences: int) -> dict[str, float]:
    """Share of the first `sequences` of a run that each corpus is asked for, over all phases; nine decimals.

    Those of a single phase are as they are; a reweighting is left out.
    """
    if len(mixture.phases) == 1 or sequences < 1:
        return dict(mixture.phases[-1].shares)
    return {
        name: round(count / sequences, 9) for name, count in sequences_by_corpus(mixture, sequences).items()
    }


def domain_share(mixture: MixtureSpec, sequences: int) -> float:
    """Domain share of the first `sequences` of a run, in [0, 1]; that of the last phase for 0 sequences."""
    if len(mixture.phases) == 1 or sequences < 1:
        return mixture.r
    counts = sequences_by_corpus(mixture, sequences)
    return sum(count for name, count in counts.items() if mixture.roles[name] == DOMAIN) / sequences
