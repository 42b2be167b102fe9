"""Options of continual pre-training as a sweep file has them, and variants: several of them side by side."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat, model_validator

from dcpt.core.errors import ConfigError
from dcpt.core.settings import Settings
from dcpt.sweep.reweighting_settings import ReweightingSettings
from dcpt.sweep.schedule_settings import Positive


class MerSettings(Settings):
    """Meta-experience replay: every `every_tokens` the weights keep a share `rate` of the way they came.

    The budgets are multiples of it, so that a run ends on interpolated weights. Source and formula stand in
    `dcpt.core.training_options.Interpolation`; there k = 500 steps and a rate of 0.1.
    """

    every_tokens: Positive
    rate: Annotated[float, Field(gt=0, le=1)]


class PhaseSettings(Settings):
    """Other shares of the corpora from `begin` on, a share of the run's tokens: a `ratio` or a `mixture`."""

    begin: Annotated[float, Field(gt=0, lt=1)]
    ratio: Annotated[float, Field(ge=0, le=1)] | None = None
    mixture: dict[str, Annotated[float, Field(ge=0, le=1)]] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> PhaseSettings:
        if (self.ratio is None) == (self.mixture is None):
            raise ConfigError("a phase: wanted exactly one of ratio and mixture.", "{begin: 0.8, ratio: 0.6}")
        if self.mixture is not None and abs(sum(self.mixture.values()) - 1) > 1e-6:
            raise ConfigError(f"a phase: its shares sum to {sum(self.mixture.values()):g}; wanted 1.")
        return self


class StartSettings(Settings):
    """How continual pre-training begins: with a fresh optimizer, or the moments the base's ended with."""

    optimizer: Literal["fresh", "restored"] = "fresh"


class TrainingOptions(Settings):
    """What is done with the runs of a sweep beside their mixture, budget and schedule.

    `phases` come after the run's own shares, in order. With `keep_ratio` the shares before them are chosen
    so that the whole run has the run's own ratio: the same tokens in another order. `pool_tokens` limits a
    corpus to so many distinct tokens; they are those of the sweep's target, and shorter runs get less in
    proportion, so that they make the target's epochs (`pool_of: run` gives every run all of them).
    `tilt` weighs the sequences of a batch by their losses (see `dcpt.core.training_options.check_tilt`).
    """

    mer: MerSettings | None = None
    tilt: FiniteFloat = 0.0
    phases: tuple[PhaseSettings, ...] = ()
    keep_ratio: bool = False
    pool_tokens: dict[str, Positive] = Field(default_factory=dict)
    pool_of: Literal["target", "run"] = "target"
    start: StartSettings = StartSettings()
    reweighting: ReweightingSettings | None = None


class Variant(TrainingOptions):
    """One of the options that a sweep varies: what it leaves out is as in `cpt`, its name is in its runs'.

    ``null``, 0 or an empty list switches off what `cpt` has for all.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._]+$")]


def variants_of(cpt: Any) -> list[tuple[str, TrainingOptions]]:
    """Names and options of a sweep's variants; one without a name where it varies none.

    Parameters
    ----------
    cpt : CptSettings
        Its options are those of every variant that has none of its own.

    Raises
    ------
    ConfigError
        When the options of a variant and those of `cpt` exclude one another.
    """
    own = {name: getattr(cpt, name) for name in TrainingOptions.model_fields}
    if not cpt.variants:
        options = TrainingOptions.model_construct(**own)
        _refuse_conflicts(options)
        return [("", options)]
    single = len(cpt.variants) == 1
    return [("" if single else variant.name, _merged(own, variant)) for variant in cpt.variants]


def _merged(own: dict[str, Any], variant: Variant) -> TrainingOptions:
    given = {name: getattr(variant, name) for name in variant.model_fields_set - {"name"}}
    options = TrainingOptions.model_construct(**(own | given))
    try:
        _refuse_conflicts(options)
    except ConfigError as error:
        raise ConfigError(f"variant {variant.name!r}: {error.message}", error.hint) from None
    return options


def _refuse_conflicts(options: TrainingOptions) -> None:
    begins = [phase.begin for phase in options.phases]
    if begins != sorted(set(begins)):
        raise ConfigError(f"phases begin at {begins}; wanted growing shares of the tokens.")
    if options.phases and options.reweighting is not None:
        raise ConfigError("phases and reweighting both set the shares; wanted one of them.")
    if options.keep_ratio and not options.phases:
        raise ConfigError("keep_ratio is for phases, and there is none.")


def check_variants(cpt: Any) -> None:
    """Refuse variants that cannot be told apart, or that `cpt`'s own options contradict.

    Raises
    ------
    ConfigError
        Naming the variant.
    """
    names = [variant.name for variant in cpt.variants]
    if len(set(names)) < len(names):
        raise ConfigError(f"names of variants repeat: {', '.join(names)}.")
    variants_of(cpt)
