"""Where the processes of a full run meet: soon, or not at all."""

from __future__ import annotations

import os
from datetime import timedelta

import torch.distributed as dist

from dcpt.train.full.reasons import AbsentError


def meet(rank: int, size: int, seconds: float) -> dist.Store:
    """Wait until every process of the run is here.

    The collectives have patience for a process that reads a large checkpoint; a process that has not even
    come, because it or what starts it has died, is not waited for so long.

    Parameters
    ----------
    rank, size : int
        Number of this process and of all.
    seconds : float
        How long to wait for the others.

    Returns
    -------
    Store
        What they share, at ``MASTER_ADDR`` and ``MASTER_PORT``.

    Raises
    ------
    AbsentError
        When some are not here in time, or what they share cannot be reached.
    """
    patience = timedelta(seconds=seconds)
    place = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
    try:
        store, _, _ = next(dist.rendezvous("env://", rank, size, timeout=patience))
        store = dist.PrefixStore("dcpt", store)
        # torchrun's own store is there before any of the processes.
        store.set(f"here-{rank}", "1")
        store.wait([f"here-{other}" for other in range(size)], patience)
    except dist.DistError as error:
        words = " ".join(str(error).split())[:200]
        raise AbsentError(
            f"the {size} processes of the run did not all meet at {place} within {seconds:g} s ({words})"
        ) from error
    return store
