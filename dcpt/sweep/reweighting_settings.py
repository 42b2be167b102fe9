"""Online reweighting as a sweep file has it (see `dcpt.core.mixture_reweighting.ReweightingSpec`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dcpt.core.errors import ConfigError
from dcpt.core.mixture_reweighting import ReweightingSpec
from dcpt.core.settings import Settings
from dcpt.sweep.schedule_settings import Positive, Share


class ReweightingSettings(Settings):
    """Shares that follow the losses inside each run of continual pre-training: Skill-It's update.

    Every `every_tokens`, a multiple of ``evaluation.every_tokens``, the share of a corpus becomes
    proportional to its share in the mixture times exp(`strength` times its pooled losses, through the
    `affinity` of trained to measured corpora). `bounds` are the least and the greatest share of a corpus.
    """

    every_tokens: Positive
    strength: Annotated[float, Field(ge=0)]
    window: Annotated[int, Field(ge=1)] = 3
    pooling: Literal["sum", "mean"] = "sum"
    affinity: dict[str, dict[str, Annotated[float, Field(ge=0)]]] = Field(default_factory=dict)
    targets: tuple[str, ...] = ()
    relative: bool = False
    by_progress: bool = False
    bounds: dict[str, tuple[Share, Share]] = Field(default_factory=dict)

    def spec(self, every: int, evaluated: int) -> ReweightingSpec:
        """The rule in optimizer steps.

        Parameters
        ----------
        every : int
            Steps between updates.
        evaluated : int
            Steps between evaluations.

        Raises
        ------
        ConfigError
            When updates do not fall on evaluations, or a number is out of range.
        """
        if every < 1 or every % evaluated:
            raise ConfigError(
                f"cpt.reweighting: every_tokens comes to {every} steps and an evaluation to {evaluated}; "
                "wanted a multiple.",
                "make every_tokens a multiple of evaluation.every_tokens",
            )
        fields = self.model_dump(exclude={"every_tokens"})
        try:
            return ReweightingSpec(every=every, **fields)
        except ConfigError as error:
            raise ConfigError(f"cpt.{error.message}", error.hint) from None
