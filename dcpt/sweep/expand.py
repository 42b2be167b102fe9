"""From the sweep file to its runs: bases, constant-rate trunks, a decay branch per budget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from dcpt.core.errors import ConfigError
from dcpt.core.mixture import MixturePhase, MixtureSpec
from dcpt.core.quantity import format_quantity
from dcpt.core.run_spec import CorpusRef, EvaluationSpec, OptimizerSpec, RunSpec, StartSpec
from dcpt.core.schedule import Schedule
from dcpt.corpus.shards import Corpus
from dcpt.sweep.ladder import Rung
from dcpt.sweep.shares import shares_at, weights_within_sides
from dcpt.sweep.spec import ScheduleSettings, SweepSpec
from dcpt.sweep.supply import Supply, sequences_of
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
    builder = _Builder(sweep, dict(corpora), dict(rungs), tokenizer_hash)
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
                runs.extend(builder.grid_runs(rung, base, ratio, seed))
    return Design(tuple(runs), bases, dict(rungs), dict(corpora))


def target_run(
    design: Design, sweep: SweepSpec, size: str, r: float, tokens: float, seed: int = 0
) -> RunSpec:
    """One run of the sweep's schedule on `size` at domain share `r`, from that size's base."""
    any_run = design.runs[0]
    builder = _Builder(sweep, design.corpora, design.rungs, any_run.tokenizer_hash)
    base = next(run for run in design.runs if run.run_id == design.bases[size])
    steps = builder.steps(tokens)
    return builder.whole(design.rungs[size], base, r, seed, steps, builder.held_back(base, [r], steps))


class _Builder:
    def __init__(
        self, sweep: SweepSpec, corpora: dict[str, Corpus], rungs: dict[str, Rung], tokenizer_hash: str
    ) -> None:
        self.sweep, self.corpora, self.rungs = sweep, corpora, rungs
        self.tokenizer_hash = tokenizer_hash
        self.roles = {name: corpus.role for name, corpus in corpora.items()}
        self.within = weights_within_sides(sweep.corpora, corpora)
        # Sides whose weights the file gives are pooled by them too; the others by training tokens.
        self.given = {spec.name: self.within[spec.name] for spec in sweep.corpora if spec.weight is not None}
        self.refs = tuple(CorpusRef(name, corpus.role, corpus.hash) for name, corpus in corpora.items())
        self.every = max(1, self.steps(sweep.evaluation.every_tokens))
        windows = {name: (corpus.train.tokens - 1) // sweep.model.context for name, corpus in corpora.items()}
        self.supply = Supply(windows, sweep.cpt.max_epochs)

    def steps(self, tokens: float) -> int:
        return round(tokens / self.sweep.tokens_per_step)

    def base(self, rung: Rung) -> RunSpec:
        settings = self.sweep.base
        trained = settings if settings is not None and rung.model.checkpoint is None else None
        seed = settings.seed if settings is not None else 0
        steps = self.steps(trained.tokens) if trained is not None else 0
        mixture = MixtureSpec(
            self.roles,
            (MixturePhase(0, self.shares(0.0)),),
            seed,
            block=self.sweep.batch,
            weights=self.given,
        )
        schedule = (
            self._schedule(trained.schedule, steps, rung.rate, "base.tokens")
            if trained is not None
            else Schedule("constant", (settings or self.sweep.cpt).schedule.peak, 0)
        )
        evaluation = EvaluationSpec(self.every, self.sweep.evaluation.sequences, ends=(steps,))
        run = self._run(f"{rung.name}-base", "base", rung, mixture, schedule, evaluation, seed)
        self.supply.check(run)
        return replace(run, keep=(steps,))

    def shares(self, r: float) -> dict[str, float]:
        return shares_at(self.within, self.roles, r)

    def held_back(self, base: RunSpec, ratios: Iterable[float], steps: int) -> dict[str, int]:
        """Windows of the base to hold back from runs of up to `steps` steps at these ratios."""
        sequences = steps * self.sweep.batch
        return self.supply.held_back(base, (sequences_of(self.shares(ratio), sequences) for ratio in ratios))

    def grid_runs(self, rung: Rung, base: RunSpec, ratio: float, seed: int) -> list[RunSpec]:
        settings = self.sweep.cpt.schedule
        budgets = sorted({self.steps(tokens) for tokens in self.sweep.cpt.budgets})
        # One answer for the whole grid: branches continue trunks, and ratios are to differ in the ratio only.
        skip = self.held_back(base, self.sweep.cpt.ratios, budgets[-1])
        if settings.kind == "constant":
            # Every evaluation of a constant rate is the end of a constant-rate run of that length.
            run = self.whole(rung, base, ratio, seed, budgets[-1], skip)
            return [
                replace(run, evaluation=replace(run.evaluation, also_at=tuple(budgets), ends=tuple(budgets)))
            ]
        wholes = [self.whole(rung, base, ratio, seed, steps, skip) for steps in budgets]
        if settings.kind != "wsd" or settings.decay_share == 0:
            return wholes
        splits = tuple(sorted({run.schedule.decay_start for run in wholes}))
        if splits[0] == 0:  # all decay: there is no plateau to share
            return wholes
        trunk = replace(
            wholes[-1],
            slug=f"{rung.name}-r{ratio:.4g}-s{seed}-trunk",
            kind="trunk",
            schedule=Schedule("constant", wholes[-1].schedule.peak, splits[-1], wholes[-1].schedule.warmup),
            evaluation=replace(wholes[-1].evaluation, also_at=splits, ends=()),
            keep=splits,
        )
        return [trunk] + [
            replace(run, kind="branch", start=StartSpec(trunk.run_id, run.schedule.decay_start, "continue"))
            for run in wholes
        ]

    def whole(
        self, rung: Rung, base: RunSpec, ratio: float, seed: int, steps: int, skip: Mapping[str, int]
    ) -> RunSpec:
        """An unshared run of the whole schedule, from the base."""
        mixture = MixtureSpec(
            self.roles,
            (MixturePhase(0, self.shares(ratio)),),
            seed,
            block=self.sweep.batch,
            skip=skip,
            skip_seed=base.mixture.seed,
            weights=self.given,
        )
        schedule = self._schedule(self.sweep.cpt.schedule, steps, rung.rate, "cpt.budgets")
        evaluation = EvaluationSpec(self.every, self.sweep.evaluation.sequences, ends=(steps,))
        tokens = format_quantity(steps * self.sweep.tokens_per_step)
        run = self._run(
            f"{rung.name}-r{ratio:.4g}-s{seed}-d{tokens}", "run", rung, mixture, schedule, evaluation, seed
        )
        run = replace(
            run,
            start=StartSpec(base.run_id, base.schedule.steps, "weights"),
            tokens_before=base.schedule.steps * base.tokens_per_step,
        )
        self.supply.check(run)
        return run

    def _run(
        self,
        slug: str,
        kind: str,
        rung: Rung,
        mixture: MixtureSpec,
        schedule: Schedule,
        evaluation: EvaluationSpec,
        seed: int,
    ) -> RunSpec:
        return RunSpec(
            slug=slug,
            kind=kind,  # type: ignore[arg-type]
            size=rung.name,
            model=rung.model,
            corpora=self.refs,
            tokenizer_hash=self.tokenizer_hash,
            mixture=mixture,
            context=self.sweep.model.context,
            batch=self.sweep.batch,
            schedule=schedule,
            optimizer=OptimizerSpec(**self.sweep.optimizer.model_dump()),
            evaluation=evaluation,
            seed=seed,
        )

    def _schedule(self, settings: ScheduleSettings, steps: int, rate: float, where: str) -> Schedule:
        if steps < 1:
            raise ConfigError(
                f"{where}: less than one step of {self.sweep.tokens_per_step} tokens.",
                hint="ask for more tokens, or lower batch or model.context",
            )
        decay = (
            max(1, round(settings.decay_share * steps))
            if settings.kind == "wsd" and settings.decay_share
            else 0
        )
        try:
            return Schedule(
                settings.kind,
                settings.peak * rate,
                steps,
                self.steps(settings.warmup_tokens),
                decay,
                settings.shape,
                settings.floor,
            )
        except ConfigError as error:
            raise ConfigError(f"{where}: {error.message}", error.hint) from None
