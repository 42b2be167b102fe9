"""What a run computes, in FLOPs: its training steps and its evaluations.

A training token costs `training_flops_per_token`, forward and backward pass. An evaluated token costs a
third of that: the forward pass is two of the six FLOPs per parameter and token. Counted are every
evaluation of a run's own steps, on the held-out windows it takes of every corpus. Not counted is what
takes time without arithmetic of the network: starting the workers, reading and writing checkpoints, and
the steps that a stopped run does again after its last checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping

from dcpt.core.run_spec import RunSpec
from dcpt.corpus.batches import heldout_windows_available
from dcpt.corpus.shards import Corpus

FORWARD_SHARE = 1 / 3
"""Of a training step's FLOPs: two of six per parameter (Kaplan et al. 2020, arXiv:2001.08361, table 1)."""


def count_evaluations(run: RunSpec) -> int:
    """How often a run is evaluated: every so many steps, at the steps it names, and at its end."""
    last, first, plan = run.schedule.steps, run.first_step, run.evaluation
    if last == 0:  # a checkpoint as it is
        return 1
    named = {step for step in (*plan.also_at, *plan.ends, last) if first < step <= last}
    regular = range(0, last + 1, plan.every)[first // plan.every + 1 :] if plan.every else ()
    return len(named.union(regular))


def evaluation_tokens(run: RunSpec, corpora: Mapping[str, Corpus], sequences: int | None = None) -> int:
    """Tokens predicted in one evaluation of a run, of all its windows or of `sequences` for each corpus."""
    asked, context = run.evaluation.sequences if sequences is None else sequences, run.context
    return context * sum(
        min(asked, heldout_windows_available(corpus, context)) for corpus in corpora.values()
    )


def evaluated_tokens(run: RunSpec, corpora: Mapping[str, Corpus]) -> int:
    """Tokens predicted in all evaluations of a run: at the ends of schedules of all windows.

    The dense windows are among them; elsewhere, in a run that has dense windows, they are all.
    """
    plan, times = run.evaluation, count_evaluations(run)
    if plan.dense_sequences is None:
        return times * evaluation_tokens(run, corpora)
    at_ends = (
        1
        if run.schedule.steps == 0
        else sum(run.first_step < step <= run.schedule.steps for step in set(plan.ends))
    )
    return at_ends * evaluation_tokens(run, corpora) + (times - at_ends) * evaluation_tokens(
        run, corpora, plan.dense_sequences
    )


def run_flops(run: RunSpec, flops_per_token: float, corpora: Mapping[str, Corpus]) -> float:
    """FLOPs of a run's own steps and of its evaluations.

    Parameters
    ----------
    run : RunSpec
        The run.
    flops_per_token : float
        Training FLOPs per token of its network.
    corpora : mapping of str to Corpus
        The corpora it is evaluated on.

    Returns
    -------
    float
        FLOPs; see the module for what they leave out.
    """
    trained = (run.schedule.steps - run.first_step) * run.tokens_per_step
    return flops_per_token * (trained + FORWARD_SHARE * evaluated_tokens(run, corpora))
