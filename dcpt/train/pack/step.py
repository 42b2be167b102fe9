"""One optimizer step of every replica of a stack."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch

from dcpt.train.pack.decoder import rotary_of, shape_of, token_losses
from dcpt.train.pack.stack import Stack
from dcpt.train.processor import Processor

# As torch.nn.utils.clip_grad_norm_: keeps the quotient finite for a norm of 0.
_CLIP_EPS = 1e-6


class PackedStep:
    """Forward and backward pass, clipping and AdamW of a stack.

    Parameters
    ----------
    stack : Stack
        The replicas.
    processor : Processor
        Device and precision.
    context : int
        Tokens predicted per sequence.
    clip : float
        Largest norm of each replica's gradient; 0 only measures it.
    compiled : bool
        Whether `torch.compile` makes the kernels of forward and backward pass.
    """

    def __init__(
        self, stack: Stack, processor: Processor, context: int, clip: float, compiled: bool = False
    ) -> None:
        self.stack, self.processor, self.clip = stack, processor, clip
        self.shape, self.rotary = shape_of(stack.networks[0]), rotary_of(stack.networks[0], context)
        self.compiled = compiled
        self._losses: Callable[..., torch.Tensor] = token_losses
        if compiled:
            # Of one function only so many shapes are compiled, after which the rest goes uncompiled without
            # a word; the kernels of the pack before are of no use to this one.
            torch.compiler.reset()
            self._losses = torch.compile(token_losses, dynamic=False)

    def plain_losses(self, tokens: torch.Tensor) -> torch.Tensor:
        """Loss of every predicted token, shape (K, batch * context), by kernels that take any batch."""
        return token_losses(self.stack.weights, self.shape, self.rotary, tokens)

    def take(self, tokens: torch.Tensor) -> torch.Tensor:
        """Train on one batch per replica, at the rate the stack is set to.

        Parameters
        ----------
        tokens : Tensor of int64, shape (K, batch, context + 1)
            On the stack's device.

        Returns
        -------
        Tensor, shape (K, 2)
            Mean loss and gradient norm before clipping, of each replica.
        """
        with self.processor.autocast():
            losses = self._losses(self.stack.weights, self.shape, self.rotary, tokens).mean(dim=1)
        # Every replica's gradient is that of its own loss: no weight of one is in the loss of another.
        losses.sum().backward()
        norms = clip_replicas(self.stack.weights.values(), self.clip)
        self.stack.optimizer.step()
        self.stack.optimizer.zero_grad(set_to_none=True)
        return torch.stack((losses.detach(), norms), dim=1)


def clip_replicas(weights: Iterable[torch.Tensor], limit: float) -> torch.Tensor:
    """Scale the gradients of each replica to a norm of at most `limit` (0: only measure it).

    Parameters
    ----------
    weights : iterable of Tensor, shape (K, ...)
        With gradients; a replica is clipped by the norm over all of them.
    limit : float
        0 or more.

    Returns
    -------
    Tensor, shape (K,)
        Norms before scaling.
    """
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    parts = [torch.linalg.vector_norm(gradient.flatten(1), dim=1) for gradient in gradients]
    norms = torch.linalg.vector_norm(torch.stack(parts, dim=1), dim=1)
    if limit > 0:
        factors = (limit / (norms + _CLIP_EPS)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(factors.view(-1, *[1] * (gradient.ndim - 1)))
    return norms
