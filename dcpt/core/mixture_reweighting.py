"""Online reweighting of a mixture inside one run: the rule by which measured losses move the shares."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType
from typing import Literal

from dcpt.core.errors import ConfigError


@dataclass(frozen=True)
class ReweightingSpec:
    """Skill-It's update of the shares, every so many steps, from the run's own held-out losses.

    Every `every` steps the share of corpus i becomes::

        p_i  proportional to  prior_i exp(strength * sum_j A_ij S_j)

    with A_ij = ``affinity[i][j]``, how much training on corpus i helps the loss on corpus j, and S_j the
    losses on corpus j summed over the last `window` evaluations. The prior is the mixture's own shares, not
    the shares in force: an update does not build on the one before. Until the first update S_j = 1.

    The losses are those of the evaluations every ``evaluation.every`` steps, on the dense windows where
    the run has them. Held-out text that steers the mixture is no longer unseen by the choice of the
    mixture; keep another set for a final verdict.

    Parameters
    ----------
    every : int
        Optimizer steps between updates: a multiple of the run's ``evaluation.every``.
    strength : float
        Per nat per token (`relative`: per unit of the first loss); 0 leaves the mixture as it is.
    window : int
        Evaluations that S_j is taken over, fewer as long as there are fewer.
    pooling : {"sum", "mean"}
        Sum or mean over the window. The source takes the mean where it uses targets.
    affinity : mapping
        Trained corpus to measured corpus to A_ij; a pair left out is 0. Empty: 1 from each corpus to
        itself, 0 to all others (see `estimate_affinity`).
    targets : tuple of str
        Measured corpora that count; empty: all.
    relative : bool
        Divide each corpus' losses by its loss at the run's first evaluation.
    by_progress : bool
        Multiply the strength by the sum of the first losses over the sum of the latest: it grows as the
        losses fall.
    bounds : mapping
        Corpus to the least and the most its share may be: ``{"general": (0.25, 1.0)}`` is a floor for
        replay. They are kept exactly, rounded inwards to whole sequences between two updates.

    Raises
    ------
    ConfigError
        When a number is out of range.

    References
    ----------
    Chen et al. 2023, "Skill-it! A data-driven skills framework for understanding and training language
    models", arXiv:2307.14430: the update over a window. The prior, the mean over a window with targets, and
    the two normalisations of losses and strength are those of the authors' trainer; the bounds and the
    whole sequences are ours (see `bounded_shares`).
    """

    every: int
    strength: float
    window: int = 3
    pooling: Literal["sum", "mean"] = "sum"
    affinity: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    relative: bool = False
    by_progress: bool = False
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = {name: MappingProxyType(dict(row)) for name, row in self.affinity.items()}
        object.__setattr__(self, "affinity", MappingProxyType(rows))
        object.__setattr__(self, "targets", tuple(self.targets))
        bounds = {name: (float(least), float(most)) for name, (least, most) in self.bounds.items()}
        object.__setattr__(self, "bounds", MappingProxyType(bounds))
        if self.every < 1:
            raise ConfigError(f"reweighting: every is {self.every}; wanted 1 step or more.")
        if self.window < 1:
            raise ConfigError(f"reweighting: window is {self.window}; wanted 1 evaluation or more.")
        if not (math.isfinite(self.strength) and self.strength >= 0):
            raise ConfigError(
                f"reweighting: strength is {self.strength}; wanted 0 or more.",
                hint="a corpus with a higher loss gets a larger share, never a smaller one",
            )
        if self.pooling not in ("sum", "mean"):
            raise ConfigError(f"reweighting: pooling is {self.pooling!r}; wanted sum or mean.")
        for trained, row in self.affinity.items():
            for measured, value in row.items():
                if not (math.isfinite(value) and value >= 0):
                    raise ConfigError(
                        f"reweighting: affinity of {trained} to {measured} is {value}; wanted 0 or more."
                    )
        for name, (least, most) in self.bounds.items():
            if not 0 <= least <= most <= 1:
                raise ConfigError(
                    f"reweighting: bounds of {name} are {least} to {most}; wanted 0 <= least <= most <= 1."
                )

    def row(self, trained: str) -> Mapping[str, float]:
        """Affinity of a trained corpus to the measured ones."""
        return self.affinity[trained] if self.affinity else {trained: 1.0}

    def reads(self, prior: Mapping[str, float]) -> tuple[str, ...]:
        """Measured corpora whose losses move the shares of a mixture with these shares."""
        if self.targets:
            return self.targets
        names = (name for trained, share in prior.items() if share > 0 for name in self.row(trained))
        return tuple(dict.fromkeys(names))

    def limits(self, names: Collection[str], sequences: int) -> dict[str, tuple[int, int]]:
        """Least and most of each corpus' sequences between two updates: the bounds, rounded inwards.

        Parameters
        ----------
        names : collection of str
            Corpora of the mixture.
        sequences : int
            Sequences between two updates.
        """
        limits = {}
        for name in names:
            # Bounds are read as the decimals they are written as: 0.3 of 10 sequences is 3.
            least, most = (Fraction(repr(bound)) for bound in self.bounds.get(name, (0.0, 1.0)))
            limits[name] = (math.ceil(least * sequences), math.floor(most * sequences))
        return limits

    def check_mixture(self, prior: Mapping[str, float]) -> None:
        """Refuse names that the mixture does not have, and bounds that the prior cannot meet.

        Raises
        ------
        ConfigError
            Naming the corpus.
        """
        for what, found in (("bounds", set(self.bounds)), ("affinity", set(self.affinity))):
            if not found <= set(prior):
                raise ConfigError(
                    f"reweighting: {what} name {min(found - set(prior))!r}; known are {', '.join(prior)}."
                )
        if self.affinity and set(self.affinity) != set(prior):
            raise ConfigError(
                f"reweighting: affinity has no row for {min(set(prior) - set(self.affinity))!r}; "
                f"wanted one for each of {', '.join(prior)}.",
                hint="a corpus that helps nothing has the row {}",
            )
        for name, share in prior.items():
            if share == 0 and self.bounds.get(name, (0.0, 1.0))[0] > 0:
                raise ConfigError(
                    f"reweighting: the least share of {name} is {self.bounds[name][0]} and its share in the "
                    "mixture is 0; wanted a share above 0.",
                    hint="a corpus without a share in the mixture never gets one",
                )

    def check_run(
        self, prior: Mapping[str, float], measured: Collection[str], evaluated: int, batch: int, block: int
    ) -> None:
        """Refuse updates that do not fit a run.

        Parameters
        ----------
        prior : mapping
            Shares of the mixture.
        measured : collection of str
            Corpora the run is evaluated on.
        evaluated : int
            Steps between evaluations.
        batch, block : int
            Sequences per step, and those the mixture's counts are exact within.

        Raises
        ------
        ConfigError
            When updates fall between evaluations or inside a block, an unknown corpus is named, or the
            bounds leave no choice of whole sequences between two updates.
        """
        if evaluated < 1 or self.every % evaluated:
            raise ConfigError(
                f"reweighting: updates every {self.every} steps, evaluations every {evaluated}; "
                "wanted every update at an evaluation.",
                hint="make one a multiple of the other: an update reads the losses of evaluations",
            )
        sequences = self.every * batch
        if sequences % block:
            raise ConfigError(
                f"reweighting: {sequences} sequences between updates, {block} in a block of the mixture; "
                "wanted a multiple."
            )
        named = {*self.reads(prior), *(name for row in self.affinity.values() for name in row)}
        if not named <= set(measured):
            raise ConfigError(
                f"reweighting: no loss of corpus {min(named - set(measured))!r} is measured, and the update "
                f"reads it; measured are {', '.join(measured)}.",
                hint="give the corpus held-out text, or name the targets",
            )
        limits = self.limits(prior, sequences)
        least = sum(low for low, _ in limits.values())
        most = sum(high for name, (_, high) in limits.items() if prior[name] > 0)
        empty = [name for name, (low, high) in limits.items() if low > high]
        if empty or not least <= sequences <= most:
            raise ConfigError(
                f"reweighting: of {sequences} sequences between updates the bounds ask for at least {least} "
                f"and allow {most}" + (f", and leave none for {empty[0]}" if empty else "") + ".",
                hint="widen the bounds, or update less often",
            )
