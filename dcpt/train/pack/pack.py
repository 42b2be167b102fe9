"""A pack in progress: runs of one key, step by step together, each with its own journal and record."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from dcpt.train.evaluate import measure_losses
from dcpt.train.failure import Diverged, Stopped, refuse_divergence
from dcpt.train.inputs import Mixture
from dcpt.train.journal import LOG_EVERY
from dcpt.train.micro_batch import MicroBatch
from dcpt.train.pack.engine import Engine
from dcpt.train.pack.feed import drawn_corpora, resident_tokens
from dcpt.train.pack.measure import PackedMeasure
from dcpt.train.pack.stack import Stack
from dcpt.train.pack.step import PackedStep
from dcpt.train.processor import Processor
from dcpt.train.spike import begin_again
from dcpt.train.unit import Stop, Unit

Done = Callable[[Unit, bool, str], None]


class Pack:
    """Brings several runs to their ends together.

    Runs that were resumed at different steps are brought level first: those furthest behind train until
    they meet the next ones. A run whose loss is no longer finite is abandoned as it would be alone; the
    others go on, bit by bit as if it had not been there. One that is to have another attempt after that, or
    after a spike, leaves the pack without a record.

    Parameters
    ----------
    units : sequence of Unit
        Runs of one pack key.
    processor : Processor
        Where to compute.
    stop : callable
        As `dcpt.train.unit.run` takes it.
    done : callable
        Called with a unit, whether it finished, and else the reason, once its record is written.
    compiled : bool
        Whether to use `torch.compile`.
    """

    def __init__(
        self, units: Sequence[Unit], processor: Processor, stop: Stop, done: Done, compiled: bool = False
    ) -> None:
        self.open = list(units)
        self.processor, self.stop, self.done, self.compiled = processor, stop, done, compiled
        self.steps = units[0].steps

    def run(self) -> None:
        """Train until every run has its record.

        Raises
        ------
        Stopped
            When `stop` asked for it; with ``"save"`` every run has a checkpoint then.
        """
        began = min(unit.clock for unit in self.open)
        for unit in self.open:
            unit.clock, unit.sharing = began, len(self.open)
            unit.begin()
        while self.open:
            at = min(unit.progress.step for unit in self.open)
            group = [unit for unit in self.open if unit.progress.step == at]
            until = min((unit.progress.step for unit in self.open if unit not in group), default=self.steps)
            if at < until:
                self._train(group, until)
            if until == self.steps:
                for unit in [unit for unit in group if unit in self.open]:
                    if unit.progress.step == self.steps:
                        self._conclude(unit, None)

    def _train(self, group: list[Unit], until: int) -> None:
        """Take the steps of a group up to `until`; fewer when most of it has diverged."""
        first = group[0]
        spec = first.spec
        stack = Stack([unit.network for unit in group], [unit.optimizer for unit in group], spec.optimizer)
        for unit in group:
            unit.manner = {"packed": str(len(group))} if len(group) > 1 else {}
            _pass_whole_batches(unit)
        engine: Engine | None = None
        try:
            step = PackedStep(stack, self.processor, spec.context, spec.optimizer.clip, self.compiled)
            measure = PackedMeasure(step) if measures_together(self.processor) else None
            for unit in group:
                unit.measure = measure or measure_losses
            alive = dict(enumerate(group))
            drawn = drawn_corpora(first.corpora, _mixtures(group, alive))
            resident = resident_tokens(drawn, self.processor.device)
            engine = Engine(step, spec.context, spec.batch, resident, record=True)
            at = first.progress.step
            while at < until and 2 * len(alive) > len(group):
                self._stop_if_asked(list(alive.values()), at)
                last = min(until, at + engine.longest, _next_pause(list(alive.values()), at))
                began = time.perf_counter()
                # A buried replica goes on with the data of another: its place in the tensors stays.
                values = engine.advance(_mixtures(group, alive), first.journal.rates, at + 1, last)
                for unit in alive.values():
                    unit.manner |= engine.manner
                if measure is not None:
                    measure.forget()
                for unit in alive.values():
                    unit.interpolator.after_step(last)
                seconds = (time.perf_counter() - began) / (last - at)
                for number, row in enumerate(values, start=at + 1):
                    for replica, unit in list(alive.items()):
                        loss, norm = row[replica].tolist()
                        if not self._after_step(unit, number, loss, norm, seconds):
                            stack.bury(replica)
                            del alive[replica]
                at = last
        finally:
            stack.dissolve()
            for unit in group:
                unit.measure = measure_losses
            if engine is not None:
                engine.release()

    def _after_step(self, unit: Unit, step: int, loss: float, norm: float, seconds: float) -> bool:
        """What is due for one run after a step; False when it has left the pack."""
        try:
            refuse_divergence(step, loss, norm)
            unit.after_step(step, loss, norm, seconds)
        except Diverged as error:
            if begin_again(unit.run_dir, unit.spec, unit.journal, error):
                self._leave(unit)  # unreported: whoever made the pack trains it alone
            else:
                self._conclude(unit, str(error))
            return False
        return True

    def _conclude(self, unit: Unit, trouble: str | None) -> None:
        if trouble is None:
            unit.finish("finished", unit.journal.earlier_attempt, unit.steps)
        else:
            unit.finish("abandoned", trouble, unit.progress.step)
        self._leave(unit)
        self.done(unit, trouble is None, trouble or "")

    def _leave(self, unit: Unit) -> None:
        self.open.remove(unit)
        for other in self.open:
            other.share_time(len(self.open))

    def _stop_if_asked(self, group: Sequence[Unit], step: int) -> None:
        wish = self.stop()
        if wish is None:
            return
        if wish == "save":
            for unit in group:
                unit.save_before_stop(step)
        raise Stopped(f"stopped a pack of {len(group)} runs after step {step}")


def _pass_whole_batches(unit: Unit) -> None:
    """A pack sends whole batches through its networks, whatever fewer a run had to take alone before."""
    if unit.micro_batch.rows < unit.spec.batch:
        unit.micro_batch = MicroBatch(unit.spec.batch)
        unit.journal.log_micro_batch(unit.progress.step + 1, unit.spec.batch)


def measures_together(processor: Processor) -> bool:
    """Whether all replicas are evaluated in one pass.

    On a GPU a pass of one small network takes as long as one of all. On the CPU it is as fast alone, and
    rounded then as in a single run.
    """
    return bool(processor.device.type == "cuda")


def _next_pause(group: Sequence[Unit], at: int) -> int:
    """First step after `at` at which some run has to be logged, measured, saved or interpolated."""
    step = at + 1
    while not (
        step % LOG_EVERY == 0 or step >= group[0].steps or any(_is_pause(unit, step) for unit in group)
    ):
        step += 1
    return step


def _is_pause(unit: Unit, step: int) -> bool:
    rule = unit.spec.optimizer.interpolation
    return unit.is_due(step) or step in unit.spec.keep or (rule is not None and step % rule.every == 0)


def _mixtures(group: Sequence[Unit], alive: Mapping[int, Unit]) -> list[Mixture]:
    stand_in = next(iter(alive))
    found = [group[replica if replica in alive else stand_in].mixture for replica in range(len(group))]
    return [mixture for mixture in found if mixture is not None]
