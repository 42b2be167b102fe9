"""From the sweep file to its runs: bases, constant-rate trunks, a decay branch per budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dcpt.core.errors import ConfigError
from dcpt.core.run_spec import RunSpec
from dcpt.corpus.shards import Corpus
from dcpt.sweep.builder import RunBuilder
from dcpt.sweep.cells import cells_of
from dcpt.sweep.grid import grid_runs
from dcpt.sweep.ladder import Rung
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
    """

    runs: tuple[RunSpec, ...]
    bases: dict[str, str]
    rungs: dict[str, Rung]
    corpora: dict[str, Corpus]

    @property
    def work(self) -> dict[str, float]:
        """FLOPs of each run's own steps and of its evaluations, by run id (see `dcpt.sweep.work`)."""
        return {run.run_id: self.flops(run) for run in self.runs}

    def flops(self, run: RunSpec) -> float:
        """FLOPs of one run of these sizes on these corpora, listed or not (see `dcpt.sweep.work`)."""
        return run_flops(run, self.rungs[run.size].flops_per_token, self.corpora)


def expand(
    sweep: SweepSpec, corpora: Mapping[str, Corpus], rungs: Mapping[str, Rung], tokenizer_hash: str
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

    Returns
    -------
    Design

    Raises
    ------
    ConfigError
        When a budget is too short for its schedule, or a corpus too small for a run's tokens.
    """
    builder = RunBuilder(sweep, dict(corpora), dict(rungs), tokenizer_hash)
    runs: list[RunSpec] = []
    bases: dict[str, str] = {}
    for rung in rungs.values():
        base = builder.base(rung)
        bases[rung.name] = base.run_id
        runs.append(base)
        if sweep.target is not None and rung.name == sweep.target.size.name:
            continue
        for seed in rung.seeds or sweep.cpt.seeds:
            for ratio in sweep.cpt.ratios:
                runs.extend(grid_runs(builder, rung, base, ratio, seed))
    _refuse_twins(runs)
    return Design(tuple(runs), bases, dict(rungs), dict(corpora))


def _refuse_twins(runs: list[RunSpec]) -> None:
    """Two names for the same training would train it twice and count it twice in a fit."""
    seen: dict[str, RunSpec] = {}
    for run in runs:
        content = run.run_id.removeprefix(run.slug)
        if content in seen:
            raise ConfigError(
                f"cpt.schedules: runs {seen[content].slug} and {run.slug} are the same.",
                "two schedules or budgets come to the same steps; drop one of them",
            )
        seen[content] = run


def target_run(
    design: Design, sweep: SweepSpec, size: str, r: float, tokens: float, seed: int = 0
) -> RunSpec:
    """One run of the sweep's (first) schedule on `size` at domain share `r`, from that size's base."""
    any_run = design.runs[0]
    builder = RunBuilder(sweep, design.corpora, design.rungs, any_run.tokenizer_hash)
    base = next(run for run in design.runs if run.run_id == design.bases[size])
    steps = builder.steps(tokens)
    skip = builder.held_back(base, [r], steps)
    return builder.whole(design.rungs[size], base, r, seed, steps, skip, cells_of(sweep.cpt)[0])
