"""K networks of one shape, and their optimizers' moments, in tensors with a leading axis of replicas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import PreTrainedModel

from dcpt.core.run_spec import OptimizerSpec

_MOMENTS = ("exp_avg", "exp_avg_sq")


class Stack:
    """The weights and moments of K networks, stacked; each network keeps its own as views.

    What changes in the stack changes in the networks and in their optimizers at once: a checkpoint or an
    evaluation of replica k is one of its network, as for a run that is trained alone.

    Parameters
    ----------
    networks : sequence of PreTrainedModel
        K networks of one shape on one device. Their parameters become views.
    optimizers : sequence of AdamW
        One per network, as `dcpt.train.optimizer.make_optimizer` makes them, fresh or with a state. Their
        states become views.
    spec : OptimizerSpec
        The same for all.

    Attributes
    ----------
    weights : dict of str to Tensor, shape (K, ...)
        Leaves that require a gradient, by parameter name.
    optimizer : AdamW
        Over all replicas. Its arithmetic is element by element, so a replica's weights do not depend on
        which others are there.
    rate : Tensor, shape (), or None
        On CUDA the learning rate, in a tensor that a recorded graph can read; on the CPU None.

    Raises
    ------
    ValueError
        When the networks have other shapes, or the optimizers stand at different steps.
    """

    def __init__(
        self,
        networks: Sequence[PreTrainedModel],
        optimizers: Sequence[torch.optim.AdamW],
        spec: OptimizerSpec,
    ) -> None:
        self.networks, self.optimizers = list(networks), list(optimizers)
        self.size = len(self.networks)
        own = [dict(network.named_parameters()) for network in self.networks]
        shapes = [{name: parameter.shape for name, parameter in names.items()} for names in own]
        if any(found != shapes[0] for found in shapes):
            raise ValueError("the networks of a pack have different shapes")
        self.device = next(iter(own[0].values())).device
        self.weights: dict[str, torch.Tensor] = {}
        for name in own[0]:
            self.weights[name] = torch.stack([names[name].detach() for names in own]).requires_grad_()
        on_cuda = self.device.type == "cuda"
        self.rate = torch.zeros((), device=self.device) if on_cuda else None
        # With the axis of replicas a matrix has three dimensions and a vector two.
        groups: list[dict[str, Any]] = [
            {"params": [w for w in self.weights.values() if w.ndim >= 3], "weight_decay": spec.weight_decay},
            {"params": [w for w in self.weights.values() if w.ndim < 3], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=0.0 if self.rate is None else self.rate,
            betas=(spec.beta1, spec.beta2),
            eps=spec.eps,
            fused=True,
            capturable=on_cuda,
        )
        for name, stacked in self.weights.items():
            self._stack_state(name, stacked, [names[name] for names in own])
            for replica, names in enumerate(own):
                names[name].data = stacked.detach()[replica]

    def _stack_state(self, name: str, stacked: torch.Tensor, parts: Sequence[torch.nn.Parameter]) -> None:
        states = [
            optimizer.state.get(part, {}) for optimizer, part in zip(self.optimizers, parts, strict=True)
        ]
        steps = {float(state["step"]) if state else 0.0 for state in states}
        if len(steps) > 1:
            raise ValueError(f"the optimizers of a pack stand at different steps ({name}: {sorted(steps)})")
        state = {"step": torch.tensor(steps.pop(), dtype=torch.float32, device=self.device)}
        for key in _MOMENTS:
            state[key] = torch.stack(
                [
                    found[key] if found else torch.zeros_like(part)
                    for found, part in zip(states, (p.detach() for p in parts), strict=True)
                ]
            )
        self.optimizer.state[stacked] = state
        for replica, (optimizer, part) in enumerate(zip(self.optimizers, parts, strict=True)):
            # What others keep there, the anchor of an interpolation for instance, is a replica's own.
            rest = {key: value for key, value in optimizer.state.get(part, {}).items() if key not in state}
            own = {key: state[key][replica] for key in _MOMENTS}
            optimizer.state[part] = {**rest, "step": state["step"], **own}

    def set_rate(self, rate: float) -> None:
        """Learning rate of the next step."""
        if self.rate is not None:
            self.rate.fill_(rate)
            return
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def bury(self, replica: int) -> None:
        """Set a replica's weights and moments to 0: one that diverged computes on with finite numbers."""
        with torch.no_grad():
            for weight in self.weights.values():
                weight[replica].zero_()
                for key in _MOMENTS:
                    self.optimizer.state[weight][key][replica].zero_()

    def dissolve(self) -> None:
        """Give every network and optimizer tensors of its own again."""
        for network, optimizer in zip(self.networks, self.optimizers, strict=True):
            for parameter in network.parameters():
                parameter.data = parameter.data.clone()
                state = optimizer.state[parameter]
                for key, value in state.items():
                    state[key] = value.clone()
        self.weights.clear()
        self.optimizer.state.clear()
        self.optimizer.param_groups.clear()
