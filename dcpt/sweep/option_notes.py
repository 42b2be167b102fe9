"""What the options of a sweep do, and what they cost, in a line each."""

from __future__ import annotations

from dcpt.core.phase_shares import sequences_by_corpus
from dcpt.core.quantity import format_quantity
from dcpt.core.run_spec import RunSpec
from dcpt.cost.options import option_flops
from dcpt.sweep.expand import Design
from dcpt.sweep.option_settings import TrainingOptions, variants_of
from dcpt.sweep.spec import CptSettings
from dcpt.sweep.variant_names import VARIANT


def option_notes(cpt: CptSettings, design: Design) -> list[str]:
    """One line for each of the options that runs are trained with, and one on how to fit several apart.

    Parameters
    ----------
    cpt : CptSettings
        The grid.
    design : Design
        Its runs.
    """
    variants = variants_of(cpt)
    notes = []
    for name, options in variants:
        said = _said(options, design)
        if said:
            notes.append((f"variant {name!r}: " if name else "") + "; ".join(said))
    if len(variants) > 1:
        mixed, name = cpt.mixtures is not None, variants[0][0]
        notes.append(
            f"{len(variants)} variants share {'mixtures' if mixed else 'ratios'}, sizes and budgets: fit "
            f"them apart, by --where {VARIANT}={name}"
            + ("" if mixed else f" (or '{VARIANT}={name}|', with the bases, which are of none)")
        )
    return notes


def _said(options: TrainingOptions, design: Design) -> list[str]:
    said = []
    if options.mer is not None:
        rate, every = options.mer.rate, format_quantity(options.mer.every_tokens)
        added = _interpolation_cost(rate, design)
        said.append(
            f"weights keep {100 * rate:g} % of their way every {every} tokens (MER): "
            f"{100 * added:.2g} % more FLOPs, and memory for one more copy of the weights"
        )
    if options.tilt:
        said.append(f"sequences of a batch weigh exp({options.tilt:g} loss): no more FLOPs")
    for phase in options.phases:
        fed = f"r = {phase.ratio:g}" if phase.ratio is not None else "other shares"
        said.append(f"from {100 * phase.begin:g} % of the tokens on {fed}")
    if options.keep_ratio:
        said.append("earlier shares are set so that the whole run keeps its ratio")
    for name, tokens in options.pool_tokens.items():
        whose = "the target's" if options.pool_of == "target" else "each run's"
        said.append(
            f"{format_quantity(tokens)} distinct tokens of {name!r} are {whose} pool" + _epochs(name, design)
        )
    if options.start.optimizer == "restored":
        said.append("runs begin with the base's optimizer state")
    if options.reweighting is not None:
        said.append("shares follow the losses (Skill-It): no more FLOPs than its evaluations")
    return said


def _interpolation_cost(rate: float, design: Design) -> float:
    """Largest share of a run's FLOPs that its interpolations add."""
    runs = [
        run
        for run in design.runs
        if run.optimizer.interpolation is not None and run.optimizer.interpolation.rate == rate
    ]
    extra = (option_flops(run, design.rungs[run.size].parameters) / design.flops(run) for run in runs)
    return max(extra, default=0.0)


def _epochs(name: str, design: Design) -> str:
    """Passes over a limited corpus, from the fewest to the most."""
    passes = [_passes(run, name) for run in design.runs if name in run.mixture.limit and run.kind != "trunk"]
    low, high = min(passes, default=0.0), max(passes, default=0.0)
    return f": {low:.3g} epochs" if f"{low:.3g}" == f"{high:.3g}" else f": {low:.3g} to {high:.3g} epochs"


def _passes(run: RunSpec, name: str) -> float:
    asked = sequences_by_corpus(run.mixture, run.schedule.steps * run.batch)[name]
    return asked / run.mixture.limit[name]
