"""One run of a sweep: its mixture, schedule, evaluations and start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal

from dcpt.core.errors import ConfigError
from dcpt.core.mixture import MixturePhase, MixtureSpec
from dcpt.core.phase_shares import sequences_by_corpus
from dcpt.core.quantity import format_quantity
from dcpt.core.run_spec import CorpusRef, EvaluationSpec, OptimizerSpec, RunSpec, StartSpec
from dcpt.core.schedule import Schedule
from dcpt.corpus.shards import Corpus
from dcpt.sweep.cells import Cell, cells_of
from dcpt.sweep.ladder import Rung
from dcpt.sweep.mixtures import Mixture, written
from dcpt.sweep.option_settings import TrainingOptions
from dcpt.sweep.options import optimizer_of, phases_of, pools_of
from dcpt.sweep.schedule_settings import ScheduleShape, make_schedule
from dcpt.sweep.shares import shares_at, weights_within_sides
from dcpt.sweep.spec import SweepSpec
from dcpt.sweep.supply import Supply, sequences_of


class RunBuilder:
    """Makes the runs of one sweep.

    Parameters
    ----------
    sweep : SweepSpec
        The sweep file.
    corpora : dict of str to Corpus
        Its tokenised corpora.
    rungs : dict of str to Rung
        Its sizes.
    tokenizer_hash : str
        Hash of the tokenizer.
    """

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
        """Optimizer steps for so many tokens."""
        return round(tokens / self.sweep.tokens_per_step)

    def base(self, rung: Rung) -> RunSpec:
        """Pre-training of a size, or its checkpoint as it is."""
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
            self._schedule(trained.schedule, trained.schedule.peak * rung.rate, steps, "base.tokens")
            if trained is not None
            else Schedule(
                "constant", settings.schedule.peak if settings else cells_of(self.sweep.cpt)[0].peak, 0
            )
        )
        evaluation = self.evaluation(steps)
        run = self._run(f"{rung.name}-base", "base", rung, mixture, schedule, evaluation, seed)
        self.supply.check(run)
        past = rung.pretraining.schedule or ""
        return replace(run, keep=(steps,), model=replace(run.model, pretraining=past))

    def shares(self, r: float) -> dict[str, float]:
        """Token share of each corpus at domain share `r`."""
        return shares_at(self.within, self.roles, r)

    def at_ratio(self, r: float) -> Mixture:
        """The mixture at domain share `r`, called by it."""
        return Mixture(f"r{r:.4g}", self.shares(r))

    def phases(
        self, shares: Mapping[str, float], options: TrainingOptions, steps: int
    ) -> tuple[MixturePhase, ...]:
        """Phases of a run of so many steps: its own shares, then those of its options."""
        return phases_of(options, shares, self._later(options), steps, self.sweep.batch)

    def _later(self, options: TrainingOptions) -> tuple[dict[str, float], ...]:
        return tuple(
            self.shares(phase.ratio)
            if phase.ratio is not None
            else written(phase.mixture or {}, self.corpora)
            for phase in options.phases
        )

    def needs(self, blend: Mixture, steps: int) -> list[dict[str, float]]:
        """Shares of the corpora in a run of so many steps of a mixture, for each of the sweep's options."""
        needs = []
        for options in {id(cell.options): cell.options for cell in cells_of(self.sweep.cpt)}.values():
            plan = MixtureSpec(self.roles, self.phases(blend.shares, options, steps), 0, self.sweep.batch)
            counts = sequences_by_corpus(plan, steps * self.sweep.batch)
            needs.append({name: count / (steps * self.sweep.batch) for name, count in counts.items()})
        return needs

    def most_of(self, high: Mapping[str, float]) -> list[dict[str, float]]:
        """Most that a run of a mixture up to `high` has of each corpus, for each of the sweep's variants.

        A sweep of one set of options counts the bounds alone, without its phases: its runs hold back what
        they always did.
        """
        options = [cell.options for cell in cells_of(self.sweep.cpt)]
        if len(self.sweep.cpt.variants) < 2:
            return [dict(high)]
        most = []
        for own in {id(item): item for item in options}.values():
            begins = [*(phase.begin for phase in own.phases), 1.0]
            later = self._later(own)
            parts = list(zip(later, begins[1:], begins[:-1], strict=True))
            most.append(
                {
                    name: high[name]
                    if own.keep_ratio
                    else begins[0] * high[name]
                    + sum((end - begin) * part[name] for part, end, begin in parts)
                    for name in high
                }
            )
        return most

    def held_back(self, base: RunSpec, needs: Iterable[Mapping[str, float]], steps: int) -> dict[str, int]:
        """Windows of the base to hold back from runs of up to `steps` steps at these shares of corpora."""
        sequences = steps * self.sweep.batch
        return self.supply.held_back(base, (sequences_of(shares, sequences) for shares in needs))

    def evaluation(self, steps: int) -> EvaluationSpec:
        """Evaluations of a run whose schedule ends after `steps` steps."""
        settings = self.sweep.evaluation
        return EvaluationSpec(
            self.every, settings.sequences, ends=(steps,), dense_sequences=settings.dense_sequences
        )

    def whole(
        self,
        rung: Rung,
        base: RunSpec,
        blend: Mixture,
        seed: int,
        steps: int,
        skip: Mapping[str, int],
        cell: Cell,
    ) -> RunSpec:
        """An unshared run of the whole schedule, from the base."""
        options, rule = cell.options, cell.options.reweighting
        schedule = self._schedule(cell.settings, cell.peak * rung.rate, steps, "cpt.budgets")
        mixture = MixtureSpec(
            self.roles,
            self.phases(blend.shares, options, steps),
            seed,
            block=self.sweep.batch,
            skip=skip,
            skip_seed=base.mixture.seed,
            limit=self._pools(options, steps, skip),
            weights=self.given,
            reweighting=None if rule is None else rule.spec(self.steps(rule.every_tokens), self.every),
        )
        evaluation = self.evaluation(steps)
        tokens = format_quantity(steps * self.sweep.tokens_per_step)
        run = self._run(
            f"{rung.name}-{blend.label}-s{seed}{cell.label}-d{tokens}",
            "run",
            rung,
            mixture,
            schedule,
            evaluation,
            seed,
        )
        run = replace(
            run,
            start=StartSpec(base.run_id, base.schedule.steps, "weights", self._moments(options, rung)),
            optimizer=optimizer_of(
                options,
                run.optimizer,
                self.steps(options.mer.every_tokens) if options.mer is not None else None,
                steps,
            ),
            tokens_before=base.schedule.steps * base.tokens_per_step + int(rung.pretraining.tokens or 0),
        )
        self.supply.check(run)
        return run

    def _pools(self, options: TrainingOptions, steps: int, skip: Mapping[str, int]) -> dict[str, int]:
        target = self.sweep.target.tokens if self.sweep.target is not None else None
        whole = self.steps(target) * self.sweep.tokens_per_step if target is not None else None
        pools = pools_of(options, steps * self.sweep.tokens_per_step, whole, self.sweep.model.context)
        self.supply.check_pools(pools, skip, self.sweep.model.context)
        return pools

    def _moments(self, options: TrainingOptions, rung: Rung) -> Literal["fresh", "restored"]:
        if options.start.optimizer == "restored" and rung.model.checkpoint is not None:
            raise ConfigError(
                f"cpt.start: size {rung.name!r} is a checkpoint; it comes without the state of the optimizer "
                "it was trained with.",
                "optimizer: fresh, or a base that is trained here",
            )
        return options.start.optimizer

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

    def _schedule(self, settings: ScheduleShape, peak: float, steps: int, where: str) -> Schedule:
        if steps < 1:
            raise ConfigError(
                f"{where}: less than one step of {self.sweep.tokens_per_step} tokens.",
                hint="ask for more tokens, or lower batch or model.context",
            )
        return make_schedule(settings, peak, steps, self.steps(settings.warmup_tokens), where)
