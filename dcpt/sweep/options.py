"""From the options of training to the fields of a run: its phases, limited pools, optimizer and start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dcpt.core.errors import ConfigError
from dcpt.core.mixture import MixturePhase
from dcpt.core.quantity import format_quantity
from dcpt.core.run_spec import OptimizerSpec
from dcpt.core.training_options import Interpolation
from dcpt.sweep.option_settings import TrainingOptions
from dcpt.sweep.shares import DIGITS

Shares = Mapping[str, float]


def phases_of(
    options: TrainingOptions, first: Shares, later: tuple[Shares, ...], steps: int, batch: int
) -> tuple[MixturePhase, ...]:
    """Phases of a run: its own shares, then those of the options, each from a whole step on.

    Parameters
    ----------
    options : TrainingOptions
        Where the phases begin, and whether the run as a whole keeps its shares.
    first : mapping of str to float
        The run's own shares.
    later : tuple of mapping
        Shares of each of the options' phases.
    steps, batch : int
        Of the run, and sequences per step.

    Raises
    ------
    ConfigError
        When a phase has no step, or the whole cannot keep its shares.
    """
    if not later:
        return (MixturePhase(0, first),)
    begins = [round(phase.begin * steps) for phase in options.phases]
    ends = [*begins[1:], steps]
    for number, (begin, end) in enumerate(zip(begins, ends, strict=True), 1):
        if not 0 < begin < end:
            raise ConfigError(
                f"cpt.phases: phase {number} of a run of {steps} steps would be steps {begin + 1} to {end}; "
                "wanted at least one, after one of the run's own shares.",
                "move its begin, or raise the budgets",
            )
    if options.keep_ratio:
        lengths = [end - begin for begin, end in zip(begins, ends, strict=True)]
        first = _before(first, later, lengths, steps)
    starts = [0, *(begin * batch for begin in begins)]
    return tuple(MixturePhase(*item) for item in zip(starts, (first, *later), strict=True))


def _before(whole: Shares, later: tuple[Shares, ...], lengths: list[int], steps: int) -> Shares:
    """Shares of the first phase that make the shares of the whole run."""
    left = steps - sum(lengths)
    found = {
        name: (share * steps - sum(length * part[name] for length, part in zip(lengths, later, strict=True)))
        / left
        for name, share in whole.items()
    }
    for name, share in found.items():
        if not -1e-9 <= share <= 1 + 1e-9:
            raise ConfigError(
                f"cpt.keep_ratio: with {whole[name]:g} of all tokens, and the phases as they are, corpus "
                f"{name!r} would have a share of {share:.4g} before them; wanted one in [0, 1].",
                "let the phases begin later, or give them shares nearer to the run's",
            )
    rounded = {name: min(1.0, max(0.0, round(share, DIGITS))) for name, share in found.items()}
    largest = max(rounded, key=lambda name: rounded[name])
    rounded[largest] = round(1 - sum(share for name, share in rounded.items() if name != largest), DIGITS)
    return rounded


def pools_of(
    options: TrainingOptions, tokens: float, target_tokens: float | None, context: int
) -> dict[str, int]:
    """Distinct windows a run may use of each limited corpus.

    Parameters
    ----------
    options : TrainingOptions
        Tokens of each limited corpus, the target's or every run's.
    tokens : float
        Tokens of the run.
    target_tokens : float, optional
        Tokens of the sweep's target.
    context : int
        Tokens per window.

    Raises
    ------
    ConfigError
        When the pools are the target's and there is none, or a pool is less than a window.
    """
    if not options.pool_tokens:
        return {}
    if options.pool_of == "target" and target_tokens is None:
        raise ConfigError(
            "cpt.pool_tokens: are those of the target, and the sweep has none.",
            "give a target, or pool_of: run for pools that every run has whole",
        )
    share = tokens / target_tokens if options.pool_of == "target" and target_tokens else 1.0
    pools = {}
    for name, size in options.pool_tokens.items():
        pools[name] = round(size * share / context)
        if pools[name] < 1:
            raise ConfigError(
                f"cpt.pool_tokens: {format_quantity(size)} tokens of {name!r} for the target are "
                f"{size * share:.3g} for a run of {format_quantity(tokens)}; wanted at least one window of "
                f"{context}.",
                "raise the pool or the budgets",
            )
    return pools


def check_target_end(options: TrainingOptions, every: int | None, steps: int, tokens_per_step: int) -> None:
    """Refuse a target that would not end on interpolated weights, in words of its tokens.

    Parameters
    ----------
    options : TrainingOptions
        The options.
    every : int, optional
        Steps between interpolations, None without.
    steps : int
        Steps of the target.
    tokens_per_step : int
        Tokens of each.

    Raises
    ------
    ConfigError
        When its tokens are no multiple of those between two interpolations.
    """
    if options.mer is None or every is None or every < 1:
        return
    ends = Interpolation(every, options.mer.rate).ends_near(steps)
    if steps in ends:
        return
    near = " or ".join(f"D = {format_quantity(end * tokens_per_step, 6)} ({end} steps)" for end in ends)
    asked = format_quantity(steps * tokens_per_step, 6)
    raise ConfigError(
        f"launch: the plan is for D = {asked} ({steps} steps), and the sweep's cpt.mer pulls the weights "
        f"back every {every} steps; wanted a multiple of them, for the run to end on weights pulled back as "
        "those of the sweep are.",
        f"plan for {near}, with --at; or name another variant of the sweep, if it has one without mer",
    )


def optimizer_of(
    options: TrainingOptions, plain: OptimizerSpec, every: int | None, steps: int
) -> OptimizerSpec:
    """The optimizer with the options' interpolation and tilt.

    Parameters
    ----------
    options : TrainingOptions
        The options.
    plain : OptimizerSpec
        The sweep's.
    every : int, optional
        Steps between interpolations, None without.
    steps : int
        Steps of the run.

    Raises
    ------
    ConfigError
        When the run would not end on interpolated weights.
    """
    if options.mer is None or every is None:
        return replace(plain, tilt=options.tilt)
    if every > steps:
        raise ConfigError(
            f"cpt.mer: every_tokens comes to {every} steps, more than the {steps} of a budget: its weights "
            "would never be interpolated.",
            "proxies are short: give a smaller every_tokens that divides every budget, the shortest too",
        )
    if every < 1 or steps % every:
        raise ConfigError(
            f"cpt.mer: every_tokens comes to {every} steps and a budget to {steps}; wanted a multiple.",
            "make the budgets multiples of every_tokens: runs end on interpolated weights",
        )
    return replace(plain, interpolation=Interpolation(every, options.mer.rate), tilt=options.tilt)
