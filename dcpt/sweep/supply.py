"""What a corpus has left for a run: windows the base has not used, or all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dcpt.core.errors import ConfigError
from dcpt.core.phase_shares import sequences_by_corpus
from dcpt.core.quantity import format_quantity
from dcpt.core.run_spec import RunSpec


@dataclass(frozen=True)
class Supply:
    """Training windows of the corpora, and how often a run may repeat them.

    Attributes
    ----------
    windows : mapping of str to int
        Corpus name to its training windows.
    max_epochs : float
        Passes over a corpus that one run may make.
    """

    windows: Mapping[str, int]
    max_epochs: float

    def held_back(self, base: RunSpec, needs: Iterable[Mapping[str, float]]) -> dict[str, int]:
        """Windows of the base to hold back from the runs that continue it.

        A corpus whose remaining windows cannot carry one of the runs within `max_epochs` holds nothing
        back: its runs draw from all of its windows, as they do when the base has used every one of them.

        Parameters
        ----------
        base : RunSpec
            The base.
        needs : iterable of mapping of str to float
            Sequences of each corpus, for each of the runs that are to share one answer.

        Returns
        -------
        dict of str to int
            Corpus name to windows.
        """
        largest = dict.fromkeys(self.windows, 0.0)
        for need in needs:
            for name, count in need.items():
                largest[name] = max(largest[name], count)
        return {
            name: used
            for name, used in used_windows(base).items()
            if 0 < used < self.windows[name]
            and largest[name] <= (self.windows[name] - used) * self.max_epochs
        }

    def most(self, name: str, skipped: int) -> float:
        """Sequences one run may take of a corpus of which so many windows are held back."""
        return (self.windows[name] - skipped) * self.max_epochs

    def check_pools(self, pools: Mapping[str, int], skip: Mapping[str, int], context: int) -> None:
        """Refuse limits on corpora there are none of, or that have less text than the limit.

        Parameters
        ----------
        pools : mapping of str to int
            Corpus to the distinct windows a run may use.
        skip : mapping of str to int
            Windows held back from it.
        context : int
            Tokens per window.

        Raises
        ------
        ConfigError
            Naming the corpus.
        """
        for name, pool in pools.items():
            if name not in self.windows:
                raise ConfigError(
                    f"cpt.pool_tokens: there is no corpus {name!r}; known are {', '.join(self.windows)}."
                )
            left = self.windows[name] - skip.get(name, 0)
            if pool > left:
                raise ConfigError(
                    f"cpt.pool_tokens: a run is to have {format_quantity(pool * context)} distinct tokens of "
                    f"{name!r}; there are {format_quantity(left * context)}.",
                    hint="lower the pool or the budgets, or give the corpus more text",
                )

    def check(self, run: RunSpec) -> None:
        """Refuse a run that needs more of a corpus than there is.

        Raises
        ------
        ConfigError
            Naming the corpus, the run, and the epochs it would make.
        """
        for name, need in sequences_by_corpus(run.mixture, run.schedule.steps * run.batch).items():
            left = self.windows[name] - run.mixture.skip.get(name, 0)
            supply = min(left, run.mixture.limit.get(name, left))
            if need and supply <= 0:
                raise ConfigError(f"corpus {name!r}: has no window of {run.context} tokens to train on.")
            if need > supply * self.max_epochs:
                raise ConfigError(
                    f"corpus {name!r}: run {run.slug} needs {format_quantity(need * run.context)} tokens of "
                    f"it and it has {format_quantity(supply * run.context)}: "
                    f"{need / supply:.1f} epochs, more than max_epochs = {self.max_epochs:g}.",
                    hint="lower the token budgets, add text, or raise cpt.max_epochs if repetition is meant",
                )


def sequences_of(shares: Mapping[str, float], sequences: int) -> dict[str, float]:
    """How many of a run's sequences come from each corpus."""
    return {name: sequences * share for name, share in shares.items()}


def used_windows(base: RunSpec) -> dict[str, int]:
    """Windows of each corpus a base has used, rounded up."""
    counts = sequences_of(base.mixture.phases[0].shares, base.schedule.steps * base.batch)
    return {name: int(-(-count // 1)) + 1 if count else 0 for name, count in counts.items()}
