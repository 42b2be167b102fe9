"""Failures and what they are taken for."""

from __future__ import annotations

import errno

import pytest
import torch

from dcpt.core.errors import ConfigError, DataError
from dcpt.train.failure import Diverged, Failure, explain


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), Failure("disk full", True)),
        (caused(DataError("x: not written"), OSError(errno.ENOSPC, "full")), Failure("disk full", True)),
        (RuntimeError("I/O error: No space left on device (os error 28)"), Failure("disk full", True)),
        (caused(DataError("x: not written"), OSError(errno.EFBIG, "large")), Failure("disk full", True)),
        (RuntimeError("I/O error: File too large (os error 27)"), Failure("disk full", True)),
        (torch.OutOfMemoryError("CUDA out of memory"), Failure("out of memory", True)),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), Failure("out of memory", True)),
        (MemoryError(), Failure("out of memory", True)),
        (DataError("corpus: bad", hint="mend it"), Failure("corpus: bad", False)),
        (ConfigError("spec: bad"), Failure("spec: bad", False)),
        (Diverged("diverged: loss is nan"), Failure("diverged: loss is nan", False)),
        (KeyError("x"), Failure("KeyError: 'x'", True)),
    ],
)  # fmt: skip
def test_a_failure_is_sorted_by_its_cause(error: Exception, failure: Failure) -> None:
    assert explain(error) == failure
