"""The sweep file: corpora, model ladder, mixture ratios, token budgets, schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from dcpt.core.errors import ConfigError
from dcpt.core.settings import Settings, validate
from dcpt.core.strict_yaml import read_yaml
from dcpt.core.symbols import DENSE, DOMAIN, GENERAL
from dcpt.corpus.spec import TokenizerSpec
from dcpt.sweep.corpus_settings import SweepCorpus
from dcpt.sweep.mirror_settings import MirrorSettings
from dcpt.sweep.mixture_settings import MixtureSettings, without_tags
from dcpt.sweep.model_settings import ModelSettings, SizeSettings
from dcpt.sweep.option_settings import TrainingOptions, Variant, check_variants
from dcpt.sweep.schedule_settings import GridSchedule, Positive, ScheduleSettings
from dcpt.sweep.target_keep import check_target_keep

SCHEMA_VERSION = 1


class OptimizerSettings(Settings):
    """AdamW and gradient clipping."""

    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.95
    eps: Annotated[float, Field(gt=0)] = 1e-8
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    clip: Annotated[float, Field(gt=0)] = 1.0
    on_spike: Literal["stop", "retry", "ignore"] = "stop"


class BaseSettings(Settings):
    """Pre-training of each size on the general corpora (skipped for checkpoints)."""

    tokens: Positive
    schedule: ScheduleSettings
    seed: int = 0


class CptSettings(TrainingOptions):
    """The grid of continual pre-training: ratios or mixtures, budgets, seeds, schedules, options of training.

    `ratios` divide the tokens between the sides, each side's corpora by their weights; `mixtures` give every
    corpus a share of its own. Give one of them. With `reweighting` they are where a run's shares begin.
    Give `schedule`, or `schedules` with a name each. Those that give no peak of their own are run at each
    of the `peaks`, those that give no budgets at each of the `budgets`. With `variants` every run is trained
    with the options of each.
    """

    ratios: Annotated[tuple[float, ...], Field(min_length=1)] = ()
    mixtures: MixtureSettings | None = None
    budgets: tuple[Positive, ...] = ()
    schedule: ScheduleSettings | None = None
    schedules: tuple[GridSchedule, ...] = ()
    peaks: tuple[Positive, ...] = ()
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)
    max_epochs: Positive = 4.0
    variants: tuple[Variant, ...] = ()

    @field_validator("ratios", mode="before")
    @classmethod
    def _no_percentages(cls, ratios: Any) -> Any:
        for ratio in ratios if isinstance(ratios, list) else ():
            if isinstance(ratio, str) and ratio.strip().endswith("%"):
                raise ConfigError(
                    f"ratio {ratio} is a percentage; wanted the domain share of tokens, a number in [0, 1].",
                    "write 0.3 for 30 %",
                )
        return ratios

    @field_validator("ratios")
    @classmethod
    def _within(cls, ratios: tuple[float, ...]) -> tuple[float, ...]:
        for ratio in ratios:
            if not 0 <= ratio <= 1:
                raise ConfigError(
                    f"ratio {ratio:g} is outside [0, 1]; wanted the domain share of tokens.",
                    "looks like a percentage; write 0.3 for 30 %" if 1 < ratio <= 100 else None,
                )
        if len(set(ratios)) < len(ratios):
            raise ConfigError("a ratio stands twice.")
        return ratios

    @model_validator(mode="after")
    def _schedules_or_one(self) -> CptSettings:
        if not self.ratios and self.mixtures is None:
            raise ConfigError("key 'ratios' is missing.", "ratios: [0.1, 0.3, 0.6], or mixtures: ...")
        if self.ratios and self.mixtures is not None:
            raise ConfigError("wanted exactly one of ratios and mixtures.")
        if (self.schedule is not None) == bool(self.schedules):
            raise ConfigError("wanted exactly one of schedule and schedules.")
        names = [schedule.name for schedule in self.schedules]
        if len(set(names)) < len(names):
            raise ConfigError(f"names of schedules repeat: {', '.join(names)}.")
        if len(set(self.peaks)) < len(self.peaks):
            raise ConfigError("a peak stands twice.")
        without = [schedule.name for schedule in self.schedules if schedule.peak is None]
        if without and not self.peaks:
            raise ConfigError(f"schedule {without[0]!r} has no peak.", "give it one, or give cpt.peaks")
        if self.peaks and not without:
            raise ConfigError(
                "peaks are given and every schedule has a peak of its own.",
                "write schedules: [{name: wsd, kind: wsd}] without a peak",
            )
        check_variants(self)
        if not self.budgets and (not self.schedules or not all(own.budgets for own in self.schedules)):
            raise ConfigError("key 'budgets' is missing.", "budgets: [0.1M, 0.2M, 0.4M]")
        return self


class EvaluationSettings(Settings):
    """How often, and on how many held-out windows, losses are measured.

    With `dense_sequences` only the ends of schedules are measured on all `sequences` windows; every
    evaluation measures that many of them, as evaluation sets of their own (``general/dense``).
    """

    every_tokens: Positive
    sequences: Annotated[int, Field(ge=8)] = 256
    dense_sequences: Annotated[int, Field(ge=8)] | None = None

    @model_validator(mode="after")
    def _fewer(self) -> EvaluationSettings:
        if self.dense_sequences is not None and self.dense_sequences >= self.sequences:
            raise ConfigError(
                f"dense_sequences is {self.dense_sequences}; wanted fewer than the "
                f"{self.sequences} sequences of an end."
            )
        return self


class TargetSettings(Settings):
    """The model the sweep is for: its size and the tokens it will be trained on."""

    size: SizeSettings
    tokens: Positive
    keep: str = "general <= +2%"


class LimitSettings(Settings):
    """What the sweep may cost before it asks."""

    hours: Positive | None = None
    flops: Positive | None = None


class SweepSpec(Settings):
    """A whole sweep file (schema version 1)."""

    schema_version: Literal[1]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]
    corpora: Annotated[tuple[SweepCorpus, ...], Field(min_length=2)]
    tokenizer: TokenizerSpec = TokenizerSpec()
    model: ModelSettings
    batch: Annotated[int, Field(gt=0)] = 16
    optimizer: OptimizerSettings = OptimizerSettings()
    base: BaseSettings | None = None
    cpt: CptSettings
    evaluation: EvaluationSettings
    target: TargetSettings | None = None
    hardware: str = "cpu-core"
    limit: LimitSettings = LimitSettings()
    mirror: MirrorSettings = MirrorSettings()

    @model_validator(mode="after")
    def _sides(self) -> SweepSpec:
        names = [corpus.name for corpus in self.corpora]
        if len(set(names)) < len(names):
            raise ConfigError(f"corpus names repeat: {', '.join(names)}.")
        # One is a folder beside the corpora, the other the ending of evaluation sets.
        for taken in ("tokenizer", DENSE if self.evaluation.dense_sequences is not None else ""):
            if taken in names:
                raise ConfigError(f"a corpus cannot be called {taken!r}.")
        for role in (GENERAL, DOMAIN):
            if not any(corpus.role == role for corpus in self.corpora):
                raise ConfigError(f"there is no {role} corpus; wanted at least one of each side.")
        if self.cpt.mixtures is not None:
            # In mixtures.csv a corpus and a pooled side of that name would be one column.
            for role in (GENERAL, DOMAIN):
                if role in names and sum(corpus.role == role for corpus in self.corpora) > 1:
                    raise ConfigError(f"a corpus of several {role} ones cannot be called {role!r}.")
        if self.target:
            roles = {corpus.name: corpus.role for corpus in self.corpora}
            check_target_keep(self.target.keep, roles, self.cpt.mixtures is not None)
        if self.target and self.target.size.name in [size.name for size in self.model.sizes]:
            raise ConfigError(f"the target's size {self.target.size.name!r} is also a proxy size.")
        sizes = [*self.model.sizes, *([self.target.size] if self.target else [])]
        drawn = [size.name for size in sizes if size.checkpoint is None]
        if drawn and self.base is None:
            raise ConfigError(
                f"key 'base' is missing: size {drawn[0]!r} is no checkpoint, its base is pre-trained here.",
                "base: {tokens: 1M, schedule: {peak: 3e-3}}",
            )
        return self

    @property
    def tokens_per_step(self) -> int:
        """Training tokens of one optimizer step."""
        return self.batch * self.model.context


def read_sweep(path: Path | str) -> SweepSpec:
    """Read and check a sweep file.

    Raises
    ------
    ConfigError
        Naming the file, the key, what was found and what was wanted.
    """
    try:
        return validate(SweepSpec, read_yaml(path), str(path))
    except ConfigError as error:
        raise without_tags(error) from None
