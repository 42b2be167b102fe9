"""How many threads the linear algebra of a fit may use: one."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any


def one_thread() -> AbstractContextManager[object]:
    """Hold BLAS to one thread: on many small matrices more threads only wait for each other.

    Without threadpoolctl nothing is changed; OMP_NUM_THREADS in the environment does the same.
    """
    controller = _controller()
    if controller is None:
        return nullcontext()
    limits: AbstractContextManager[object] = controller.limit(limits=1)
    return limits


@cache
def _controller() -> Any:
    """The loaded BLAS libraries, looked up once: the look-up takes longer than a small fit's start."""
    try:
        from threadpoolctl import ThreadpoolController
    except ModuleNotFoundError:
        return None
    import scipy.linalg  # noqa: F401 (scipy has a BLAS beside numpy's; it must be loaded to be found)

    return ThreadpoolController()
