"""What a choice of predictors tried, and what came of each: held-out scores, ties, words."""

from __future__ import annotations

from dataclasses import dataclass

from dcpt.fit.mixtures.scores import MixtureScore


@dataclass(frozen=True)
class Tried:
    """One predictor of the race.

    Attributes
    ----------
    name : str
        The predictor's name.
    score : MixtureScore or None
        Scores on the held-out runs it predicted; None where it could not be fitted.
    weight : float
        Its weight in the chosen average, mean over targets.
    tie : bool
        Whether its mean error cannot be told from that of the best single predictor (paired, 90 %).
    dropped : str or None
        Why it did not run to the end.
    """

    name: str
    score: MixtureScore | None
    weight: float
    tie: bool
    dropped: str | None = None


@dataclass(frozen=True)
class Choice:
    """The race of predictors on one set of runs.

    Attributes
    ----------
    tried : tuple of Tried
        Best first, by held-out mean absolute error in standard deviations of the losses.
    chosen : MixtureScore
        Scores of the average on held-out runs. Its weights saw these runs, a handful of numbers from hundreds
        of errors; the predictors did not, and the coverage is that of intervals calibrated on other folds.
    way : str
        How the predictors are combined (`dcpt.fit.mixtures.combine.WAYS`).
    folds : int
        Folds over mixtures.
    by_target : tuple of MixtureScore
        Scores of the average on each target.
    seconds : float
        Time of the whole choice by the clock, the fits included.
    """

    tried: tuple[Tried, ...]
    chosen: MixtureScore
    way: str
    folds: int
    by_target: tuple[MixtureScore, ...]
    seconds: float

    @property
    def ties(self) -> tuple[str, ...]:
        """Predictors that cannot be told from the best one, the best one first."""
        return tuple(item.name for item in self.tried if item.tie)

    def __str__(self) -> str:
        lines = [f"{self.chosen.runs} runs held out in {self.folds} folds; combined: {self.way}"]
        for item in self.tried:
            if item.score is None:
                lines.append(f"  {item.name}: {item.dropped}")
                continue
            word = f"; {item.dropped}" if item.dropped else "; ties with the best" if item.tie else ""
            lines.append(
                f"  {item.name}: weight {item.weight:.2f}, error {item.score.mae:.4f}, "
                f"R2 {item.score.r2:.4f}, Spearman {item.score.spearman:.4f} on {item.score.runs} runs{word}"
            )
        lines.append(
            f"  chosen: error {self.chosen.mae:.4f}, R2 {self.chosen.r2:.4f}, regret at 1 "
            f"{self.chosen.regret:.4f}, lower-tail optimism {self.chosen.optimism:+.4f}, "
            f"90 % intervals hold {100 * self.chosen.coverage:.1f} %"
        )
        return "\n".join(lines)
