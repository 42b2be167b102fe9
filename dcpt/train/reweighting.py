"""Where a run's mixture stands: the history it goes on with, and what an evaluation adds to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dcpt.core.errors import DataError
from dcpt.core.mixture_history import (
    MixtureHistory,
    begin_history,
    origin_of,
    record_losses,
    update_mixture,
)
from dcpt.core.run_spec import RunSpec
from dcpt.train import checkpoint
from dcpt.train.checkpoint import Progress
from dcpt.train.evaluate import HeldOut, Measurement, corpus_losses


def find_history(
    root: Path, spec: RunSpec, own: Progress | None, heldout: Sequence[HeldOut]
) -> MixtureHistory | None:
    """History a run begins or goes on with; None for a mixture that is not reweighted.

    Parameters
    ----------
    root : Path
        Folder of the sweep.
    spec : RunSpec
        The run.
    own : Progress, optional
        The run's own checkpoint it is resumed from.
    heldout : sequence of HeldOut
        What it is evaluated on.

    Raises
    ------
    ConfigError
        When the update reads the loss of a corpus that has no held-out text.
    DataError
        When the run continues another one whose mixture was not reweighted in the same way.
    """
    rule = spec.mixture.reweighting
    if rule is not None:
        prior = spec.mixture.phases[0].shares
        measured = [item.name for item in heldout]
        rule.check_run(prior, measured, spec.evaluation.every, spec.batch, spec.mixture.block)
    if own is not None:
        history, where = own.mixture, "the run's own checkpoint"
    elif spec.start is not None and spec.start.mode == "continue":
        parent = checkpoint.checkpoint_folder(root / "runs" / spec.start.run_id, spec.start.step)
        history, where = checkpoint.read_state(parent).mixture, str(parent)
    else:  # a phase of its own
        return begin_history(spec) if rule is not None else None
    if rule is None and history is not None:
        complaint = "was reweighted; the run that goes on from it is not."
    elif rule is not None and history is None:
        complaint = "was not reweighted; the run that goes on from it is."
    elif history is not None and history.origin != origin_of(spec):
        complaint = "was reweighted from other shares, seeds or losses, or by another rule, than the run's."
    else:
        return history
    raise DataError(
        f"{where}: its mixture {complaint}",
        hint="give both runs the same mixture and evaluations, or start from the weights only",
    )


def advance_history(
    history: MixtureHistory,
    spec: RunSpec,
    step: int,
    heldout: Sequence[HeldOut],
    measurements: Sequence[Measurement],
) -> MixtureHistory:
    """History after the evaluation that followed `step` steps.

    Only evaluations every ``evaluation.every`` steps count: where else a run is evaluated depends on the
    branches it has, and its mixture is not to.

    Parameters
    ----------
    history : MixtureHistory
        Before it.
    spec : RunSpec
        The run.
    step : int
        Steps done.
    heldout : sequence of HeldOut
        What was evaluated on.
    measurements : sequence of Measurement
        What was measured.
    """
    plan, rule = spec.evaluation, spec.mixture.reweighting
    assert rule is not None
    if step % plan.every:
        return history
    losses = corpus_losses(heldout, measurements, dense=plan.dense_sequences is not None)
    history = record_losses(history, spec, losses)
    return update_mixture(history, spec, step) if step % rule.every == 0 else history
