"""Held-out losses of all replicas at once."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from dcpt.train.evaluate import logits_rows
from dcpt.train.pack.step import PackedStep
from dcpt.train.processor import Processor


class PackedMeasure:
    """`dcpt.train.evaluate.measure_losses` for the networks of a stack, in K times fewer passes.

    The first network that asks has the losses of all measured; the others ask for the same windows and are
    given theirs, until a step is taken.

    Parameters
    ----------
    step : PackedStep
        Its stack, shape and rotary embedding.
    """

    def __init__(self, step: PackedStep) -> None:
        self.step, self.stack = step, step.stack
        self._found: dict[bytes, NDArray[np.float64]] = {}

    def forget(self) -> None:
        """The weights have changed."""
        self._found.clear()

    def __call__(
        self, network: PreTrainedModel, processor: Processor, windows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Mean loss of each window in nats per token, shape (windows,), as `measure_losses` has it."""
        key = windows.tobytes()
        if key not in self._found:
            self._found[key] = self._measure(processor, windows)
        replica = next(place for place, other in enumerate(self.stack.networks) if other is network)
        losses: NDArray[np.float64] = self._found[key][replica]
        return losses

    def _measure(self, processor: Processor, windows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Losses of every replica, shape (K, windows)."""
        size, context = self.stack.size, windows.shape[1] - 1
        vocabulary = int(self.stack.networks[0].config.vocab_size)
        rows = max(1, logits_rows(processor, context, vocabulary) // size)
        parts = []
        with torch.no_grad(), processor.autocast():
            for first in range(0, len(windows), rows):
                part = torch.from_numpy(windows[first : first + rows]).to(processor.device)
                losses = self.step.plain_losses(part.expand(size, *part.shape))
                parts.append(losses.view(size, len(part), context).double().mean(dim=2))
        found: NDArray[np.float64] = torch.cat(parts, dim=1).cpu().numpy()
        return found
