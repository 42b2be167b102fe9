"""Reptile's outer step inside a run: the weights are pulled back towards where they last were."""

from __future__ import annotations

import torch
from torch import nn

from dcpt.core.training_options import Interpolation

ANCHOR = "anchor"
"""Entry of a parameter's optimizer state: the weights after the last interpolation."""


class Interpolator:
    """Interpolates the weights of a network after every so many steps (see `Interpolation`).

    The anchors are part of the optimizer's state and with it of checkpoints: a run that is resumed, or a
    branch that goes on from its trunk, interpolates from where the weights had been.

    Parameters
    ----------
    network : Module
        What is trained; its weights are the first anchor where the optimizer brings none.
    optimizer : Optimizer
        With its state as it is restored.
    rule : Interpolation, optional
        None interpolates nothing.
    """

    def __init__(
        self, network: nn.Module, optimizer: torch.optim.Optimizer, rule: Interpolation | None
    ) -> None:
        self.rule, self.optimizer = rule, optimizer
        parameters = [p for group in optimizer.param_groups for p in group["params"]] if rule else []
        # Kept beside the state until the first step: an optimizer takes a state that is there for its own.
        self.anchors: dict[nn.Parameter, torch.Tensor] = {}
        for parameter in parameters:
            anchor = optimizer.state.get(parameter, {}).get(ANCHOR)
            self.anchors[parameter] = anchor if anchor is not None else parameter.detach().clone()

    def after_step(self, step: int) -> None:
        """Interpolate if `step` steps of the phase are a multiple of the rule's."""
        if self.rule is None:
            return
        due = step % self.rule.every == 0
        with torch.no_grad():
            for parameter, anchor in self.anchors.items():
                # Without a gradient so far the optimizer has no state of it, and it has not moved.
                state = self.optimizer.state.get(parameter)
                if not state:
                    continue
                state[ANCHOR] = anchor
                if due:
                    parameter.sub_(anchor).mul_(self.rule.rate).add_(anchor)
                    anchor.copy_(parameter)
