"""From the sweep file to its runs: bases, constant-rate trunks, a decay branch per budget."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dcpt.core.errors import ConfigError
from dcpt.core.run_spec import RunSpec
from dcpt.corpus.shards import Corpus
from dcpt.cost.options import option_flops
from dcpt.sweep.builder import RunBuilder
from dcpt.sweep.cells import Cell, cells_of
from dcpt.sweep.grid import grid_runs
from dcpt.sweep.ladder import Rung
from dcpt.sweep.mixture_settings import MixtureDesign
from dcpt.sweep.mixtures import Mixture, Region, mixtures_of, region_of, written
from dcpt.sweep.options import check_target_end
from dcpt.sweep.spec import SweepSpec
from dcpt.sweep.work import run_flops


@dataclass(frozen=True)
class Design:
    """A sweep ready to run.

    Attributes
    ----------
    runs : tuple of RunSpec
        Parents before the runs that start from them.
    bases : dict of str to str
        Size name to the run id of its base, the target's included.
    rungs : dict of str to Rung
        Size name to its network.
    corpora : dict of str to Corpus
        The tokenised corpora.
    mixtures : tuple of Mixture
        What the runs are fed, in order: one per ratio, or those of a sweep of mixtures.
    region : Region, optional
        Where the mixtures of a sweep of mixtures may lie.
    """

    runs: tuple[RunSpec, ...]
    bases: dict[str, str]
    rungs: dict[str, Rung]
    corpora: dict[str, Corpus]
    mixtures: tuple[Mixture, ...] = ()
    region: Region | None = None

    @property
    def work(self) -> dict[str, float]:
        """FLOPs of each run's own steps and of its evaluations, by run id (see `dcpt.sweep.work`)."""
        return {run.run_id: self.flops(run) for run in self.runs}

    def flops(self, run: RunSpec) -> float:
        """FLOPs of one run of these sizes on these corpora, listed or not (see `dcpt.sweep.work`)."""
        rung = self.rungs[run.size]
        return run_flops(run, rung.flops_per_token, self.corpora) + option_flops(run, rung.parameters)


def expand(
    sweep: SweepSpec,
    corpora: Mapping[str, Corpus],
    rungs: Mapping[str, Rung],
    tokenizer_hash: str,
    mixtures: Sequence[Mixture] | None = None,
) -> Design:
    """List the runs of a sweep.

    Parameters
    ----------
    sweep : SweepSpec
        The sweep file.
    corpora : mapping of str to Corpus
        Its tokenised corpora.
    rungs : mapping of str to Rung
        Its sizes, the target's included.
    tokenizer_hash : str
        Hash of the tokenizer.
    mixtures : sequence of Mixture, optional
        What to train in a sweep of mixtures instead of those its file says: the rounds so far.

    Returns
    -------
    Design

    Raises
    ------
    ConfigError
        When a budget is too short for its schedule, or a corpus too small for a run's tokens.
    """
    builder = RunBuilder(sweep, dict(corpora), dict(rungs), tokenizer_hash)
    bases = {name: builder.base(rung) for name, rung in rungs.items()}
    target = sweep.target.size.name if sweep.target is not None else None
    proxies = {name: base for name, base in bases.items() if name != target}
    if sweep.cpt.mixtures is None:
        chosen, region = tuple(builder.at_ratio(ratio) for ratio in sweep.cpt.ratios), None
        longest = _longest(builder)
        skips = _skips(builder, proxies, [need for blend in chosen for need in builder.needs(blend, longest)])
    else:
        chosen, region, skips = _mixed(builder, proxies, mixtures)
    runs: list[RunSpec] = []
    for rung in rungs.values():
        runs.append(bases[rung.name])
        if rung.name == target:
            continue
        for seed, blend in _seeded(rung.seeds or sweep.cpt.seeds, chosen):
            runs.extend(grid_runs(builder, rung, bases[rung.name], blend, seed, skips[rung.name]))
    _refuse_twins(runs)
    ids = {name: base.run_id for name, base in bases.items()}
    return Design(tuple(runs), ids, dict(rungs), dict(corpora), chosen, region)


def _seeded(seeds: Sequence[int], blends: Sequence[Mixture]) -> list[tuple[int, Mixture]]:
    """Every mixture with every seed of its own, seed by seed."""
    pairs = [(seed, blend) for blend in blends for seed in blend.seeds(seeds)]
    order = {seed: number for number, seed in enumerate(dict.fromkeys([*seeds, *(s for s, _ in pairs)]))}
    return sorted(pairs, key=lambda pair: order[pair[0]])


def _longest(builder: RunBuilder) -> int:
    cells = cells_of(builder.sweep.cpt)
    return max(builder.steps(tokens) for cell in cells for tokens in cell.budgets)


def _skips(
    builder: RunBuilder, bases: Mapping[str, RunSpec], needs: Sequence[Mapping[str, float]]
) -> dict[str, dict[str, int]]:
    longest = _longest(builder)
    return {name: builder.held_back(base, needs, longest) for name, base in bases.items()}


def _mixed(
    builder: RunBuilder, bases: Mapping[str, RunSpec], mixtures: Sequence[Mixture] | None
) -> tuple[tuple[Mixture, ...], Region, dict[str, dict[str, int]]]:
    """Mixtures of a sweep of mixtures, where they may lie, and the windows held back for each size.

    A design holds back for the most its bounds allow, whatever mixtures it comes to: those of a later round
    must not change the runs of an earlier one.
    """
    settings, corpora = builder.sweep.cpt.mixtures, builder.corpora
    design = settings if isinstance(settings, MixtureDesign) else None
    if design is None:
        free = region_of(None, corpora, dict.fromkeys(corpora, 1.0))
        longest = _longest(builder)
        needs = [need for blend in mixtures_of(builder.sweep, free) for need in builder.needs(blend, longest)]
    else:
        needs = builder.most_of({name: design.bounds.get(name, (0.0, 1.0))[1] for name in corpora})
    skips = _skips(builder, bases, needs)
    sequences = max(1, _longest(builder) * builder.sweep.batch)
    if design is None:
        return mixtures_of(builder.sweep, free), free, skips
    supply = {
        name: min(
            [1.0] + [builder.supply.most(name, skip.get(name, 0)) / sequences for skip in skips.values()]
        )
        for name in corpora
    }
    # Rounded down: a share that is rounded up would be more than there is.
    region = region_of(design, corpora, {name: math.floor(most * 1e6) / 1e6 for name, most in supply.items()})
    return tuple(mixtures) if mixtures is not None else mixtures_of(builder.sweep, region), region, skips


def _refuse_twins(runs: list[RunSpec]) -> None:
    """Two names for the same training would train it twice and count it twice in a fit."""
    seen: dict[str, RunSpec] = {}
    for run in runs:
        content = run.run_id.removeprefix(run.slug)
        if content in seen:
            raise ConfigError(
                f"cpt: runs {seen[content].slug} and {run.slug} are the same.",
                "two schedules, budgets or variants come to the same steps; drop one of them",
            )
        seen[content] = run


def target_run(
    design: Design,
    sweep: SweepSpec,
    size: str,
    r: float | Mapping[str, float],
    tokens: float,
    seed: int = 0,
    variant: str | None = None,
) -> RunSpec:
    """One run of the sweep's (first) schedule on `size`, from that size's base.

    `r` is the domain share, or the shares of all corpora, over the whole run as the tables have it: where
    the sweep has phases, the shares before them are chosen for that.

    Raises
    ------
    ConfigError
        When the sweep has several variants and `variant` names none of them, or the tokens are no multiple
        of those between two interpolations of its weights.
    """
    any_run = design.runs[0]
    builder = RunBuilder(sweep, design.corpora, design.rungs, any_run.tokenizer_hash)
    base = next(run for run in design.runs if run.run_id == design.bases[size])
    steps = builder.steps(tokens)
    blend = builder.at_ratio(r) if isinstance(r, (int, float)) else Mixture.of(written(r, design.corpora))
    cell, needs = _cell(sweep, variant), builder.needs(blend, steps)
    if cell.options.phases:
        cell = replace(cell, options=cell.options.model_copy(update={"keep_ratio": True}))
        needs = [*needs, blend.shares]
    skip = builder.held_back(base, needs, steps)
    mer = cell.options.mer
    every = builder.steps(mer.every_tokens) if mer is not None else None
    check_target_end(cell.options, every, steps, sweep.tokens_per_step)
    return builder.whole(design.rungs[size], base, blend, seed, steps, skip, cell)


def _cell(sweep: SweepSpec, variant: str | None) -> Cell:
    cells = cells_of(sweep.cpt)
    names = list(dict.fromkeys(cell.variant for cell in cells))
    if variant is None and len(names) == 1:
        return cells[0]
    if variant not in names:
        asked = "which is not said" if variant is None else f"and none is called {variant!r}"
        raise ConfigError(
            f"launch: the sweep has the variants {', '.join(filter(None, names)) or '(none)'}, {asked}.",
            "name the one that the plan's losses are of, --variant NAME" if any(names) else "drop --variant",
        )
    return next(cell for cell in cells if cell.variant == variant)
