"""One gradient from a batch that may not fit into memory at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from dcpt.train.failure import is_out_of_memory


class MicroBatch:
    """How many sequences of a batch go through the network together.

    All of them, until the memory refuses: then half as many, and the gradients of the parts add up to
    that of the batch. The batch, and with it what the run is, stays the same; its losses change by the
    rounding of sums.

    Parameters
    ----------
    batch : int
        Sequences per optimizer step.
    rows : int, optional
        Sequences per pass to begin with; by default the whole batch.

    Attributes
    ----------
    rows : int
        Sequences per pass now.
    """

    def __init__(self, batch: int, rows: int | None = None) -> None:
        self.batch = batch
        self.rows = min(batch, rows or batch)

    def backward(
        self,
        network: torch.nn.Module,
        tokens: torch.Tensor,
        mean_loss: Callable[[torch.Tensor], torch.Tensor],
    ) -> torch.Tensor:
        """Mean loss of a batch, its gradient left in the parameters.

        Parameters
        ----------
        network : Module
            Whose gradients are cleared before another attempt.
        tokens : Tensor, shape (batch, context + 1)
            Token ids.
        mean_loss : callable
            Mean loss of some of the sequences.

        Returns
        -------
        Tensor, shape ()
            Detached.

        Raises
        ------
        torch.OutOfMemoryError, RuntimeError, MemoryError
            When a single sequence does not fit.
        """
        while True:
            try:
                return self._add_up(tokens, mean_loss)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or self.rows == 1:
                    raise
            # Outside of the handler: its traceback holds the activations of the attempt that failed.
            self.rows = (self.rows + 1) // 2
            network.zero_grad(set_to_none=True)
            if tokens.is_cuda:
                torch.cuda.empty_cache()

    def _add_up(
        self, tokens: torch.Tensor, mean_loss: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        if self.rows >= len(tokens):
            loss = mean_loss(tokens)
            loss.backward()
            return loss.detach()
        total = torch.zeros((), device=tokens.device)
        for part in tokens.split(self.rows):
            loss = mean_loss(part) * (len(part) / len(tokens))
            loss.backward()
            total += loss.detach()
        return total


def describe(batch: int, first: int, changes: Mapping[int, int]) -> dict[str, str]:
    """What a record says of it: nothing where all of a batch went through at once at every step.

    Parameters
    ----------
    batch : int
        Sequences per optimizer step.
    first : int
        Step that the run went on from.
    changes : mapping of int to int
        Step to the sequences per pass from it on, in order; before them it was the batch.
    """
    parts, last = [], batch
    for step, rows in changes.items():
        if rows == last:
            continue
        last = rows
        place = f" from step {step}" if step > first + 1 else ""
        whole = f"whole batches{place}"
        parts.append(whole if rows == batch else f"{rows} of {batch} sequences at a time{place}")
    return {"micro_batch": f"{'; '.join(parts)}, for want of memory"} if parts else {}
