"""Which documents are held out, and which are kept under a cap: decided by the text alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def document_digest(document: str) -> bytes:
    """SHA-256 of a document's UTF-8 bytes."""
    return hashlib.sha256(document.encode("utf-8")).digest()


def digest_is_heldout(digest: bytes, share: float) -> bool:
    """Whether a document is held out when about `share` of the documents are.

    The answer depends on the text alone: copies of a document fall on the same side, wherever they stand, and
    what a smaller share holds out a larger one holds out too.

    Parameters
    ----------
    digest : bytes
        `document_digest` of its text.
    share : float
        Share of documents, in [0, 1].
    """
    return int.from_bytes(digest[:8], "big") < share * 2.0**64


def take_under_caps(
    digests: Sequence[bytes], sizes: Sequence[int], max_documents: int | None, max_bytes: int | None
) -> npt.NDArray[np.int64]:
    """Documents that fit under the caps, taken in the order of their digests until the next one does not.

    Parameters
    ----------
    digests : sequence of bytes
        One per document.
    sizes : sequence of int
        UTF-8 bytes of each document.
    max_documents, max_bytes : int, optional
        The caps; None is no cap.

    Returns
    -------
    ndarray of int64
        Positions of the documents taken, growing. A smaller cap takes a subset of what a larger one takes.
    """
    order = np.array(sorted(range(len(digests)), key=lambda place: (digests[place], place)), dtype=np.int64)
    if max_bytes is not None:
        total = np.cumsum(np.asarray(sizes, dtype=np.int64)[order])
        order = order[: int(np.searchsorted(total, max_bytes, side="right"))]
    if max_documents is not None:
        order = order[:max_documents]
    return np.sort(order)
