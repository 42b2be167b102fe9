"""What an optimizer step descends on: the loss of a batch, its sequences weighed alike or by their losses."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from transformers import PreTrainedModel

from dcpt.train.processor import Processor


class Objective:
    """Loss of a batch or of some of its sequences, in nats per token.

    Without `tilt` the mean. With it the gradient is that of the tilted loss (see
    `dcpt.core.training_options.check_tilt`), whose weights belong to the whole batch; the value stays the
    mean, so that logged losses mean the same in every run.

    Parameters
    ----------
    network : PreTrainedModel
        What is trained.
    processor : Processor
        Where, and in which precision.
    tilt : float
        Per nat per token.
    """

    def __init__(self, network: PreTrainedModel, processor: Processor, tilt: float = 0.0) -> None:
        self.network, self.processor, self.tilt = network, processor, tilt
        self._batch: torch.Tensor | None = None
        self._weights: torch.Tensor | None = None

    def __call__(self, tokens: torch.Tensor) -> torch.Tensor:
        """Mean loss of some sequences, shape ().

        Parameters
        ----------
        tokens : Tensor, shape (sequences, context + 1)
            Token ids: a batch, or after `begin` consecutive rows of it.
        """
        if not self.tilt:
            return F.cross_entropy(self._logits(tokens), tokens[:, 1:].flatten())
        losses = self._sequence_losses(tokens)
        if self._batch is None or len(tokens) == len(self._batch):
            weights = tilted_weights(losses.detach(), self.tilt)
        else:
            # Times the parts there would be of this size: the caller weighs a part by its rows.
            weights = self._weights_of(tokens) * (len(self._batch) / len(tokens))
        weighted, mean = (weights * losses).sum(), losses.detach().mean()
        return weighted + (mean - weighted.detach())

    def begin(self, batch: torch.Tensor) -> None:
        """Say which batch the sequences that follow are rows of.

        Parameters
        ----------
        batch : Tensor, shape (sequences, context + 1)
            Parts of it that are asked for later are slices of this very tensor.
        """
        self._batch, self._weights = batch, None

    def _weights_of(self, part: torch.Tensor) -> torch.Tensor:
        """Weights of some rows of the batch; the first part that is asked for measures all rows."""
        batch = self._batch
        assert batch is not None
        if self._weights is None:
            with torch.no_grad():
                losses = torch.cat([self._sequence_losses(rows) for rows in batch.split(len(part))])
            self._weights = tilted_weights(losses, self.tilt)
        first = (part.storage_offset() - batch.storage_offset()) // batch.stride(0)
        return self._weights[first : first + len(part)]

    def _sequence_losses(self, tokens: torch.Tensor) -> torch.Tensor:
        losses = F.cross_entropy(self._logits(tokens), tokens[:, 1:].flatten(), reduction="none")
        return losses.view(len(tokens), -1).mean(1)

    def _logits(self, tokens: torch.Tensor) -> torch.Tensor:
        with self.processor.autocast():
            logits = self.network(input_ids=tokens[:, :-1], use_cache=False).logits
        return logits.float().flatten(0, 1)


def tilted_weights(losses: torch.Tensor, tilt: float) -> torch.Tensor:
    """``exp(tilt * l_i) / sum(exp(tilt * l))``, shape (sequences,); they sum to 1."""
    return torch.softmax(tilt * losses, dim=0)
