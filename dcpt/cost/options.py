"""FLOPs of options of training that the convention for training tokens does not count."""

from __future__ import annotations

from collections.abc import Mapping

from dcpt.core.run_spec import RunSpec

INTERPOLATION_FLOPS = 3
"""Per parameter and time: a difference, a product and a sum (Abbes et al. 2025, arXiv:2508.01908)."""


def option_flops(run: RunSpec, parameters: Mapping[str, int]) -> float:
    """FLOPs that a run's options add to those of its tokens.

    Interpolated weights are all of them. Phases, pools and restored moments cost nothing; tilted weights of
    sequences cost a softmax over a batch, which is left out like all softmaxes, as long as the batch goes
    through the network at once: in parts it is passed through twice.

    Parameters
    ----------
    run : RunSpec
        The run.
    parameters : mapping of str to int
        Parameters by component.
    """
    rule = run.optimizer.interpolation
    if rule is None:
        return 0.0
    count = rule.count(run.first_step, run.schedule.steps)
    return float(INTERPOLATION_FLOPS * sum(parameters.values()) * count)
