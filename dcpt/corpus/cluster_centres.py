"""From features of documents to few clusters: k-means with many centres, then the nearest are merged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Clustering:
    """Centres, and the cluster each belongs to.

    A document belongs to the cluster of its nearest centre, so that a cluster may have any form.

    Attributes
    ----------
    centres : ndarray, shape (centres, features)
        Of the k-means.
    cluster : ndarray of int64, shape (centres,)
        Cluster of each centre; the largest cluster is 0.
    losses : tuple of float
        Share of the documents' variance that each merge lost, in order, up to the last one possible; those
        from ``len(centres) - clusters`` on were not made.
    """

    centres: Array
    cluster: Labels
    losses: tuple[float, ...]

    @property
    def clusters(self) -> int:
        """How many clusters there are."""
        return int(self.cluster.max()) + 1

    def assign(self, features: Array) -> Labels:
        """Cluster of each document, by features of shape (documents, features)."""
        # The nearest centre has the largest 2 x.c - c.c.
        nearness = 2 * features @ self.centres.T - (self.centres**2).sum(axis=1)
        return np.asarray(self.cluster[np.argmax(nearness, axis=1)], dtype=np.int64)


def find_clusters(features: Array, centres: int, clusters: int | None, merge: float, seed: int) -> Clustering:
    """k-means, then Ward's merging of its centres.

    Many centres first follow the documents wherever they lie; the merging then weighs each by its documents.
    On mixtures of three and of eight corpora of different fields this finds them better than k-means with as
    few centres, which depends on where it starts, and than merging the nearest centres whatever their sizes,
    which leaves out a few odd documents and joins the rest.

    Parameters
    ----------
    features : ndarray, shape (documents, features)
        Rows of length 1, so that the nearest centre is the one of the largest cosine.
    centres : int
        Centres of the k-means, at most one per document.
    clusters : int, optional
        Clusters wanted; None merges as long as `merge` allows.
    merge : float
        Greatest share of the variance a merge may lose, when `clusters` is None.
    seed : int
        Of the k-means.

    Returns
    -------
    Clustering

    References
    ----------
    Ward, Hierarchical grouping to optimize an objective function (1963); Lance and Williams, A general
    theory of classificatory sorting strategies (1967), for the update. Clustering in two steps, many centres
    and then merging, is that of CLIMB (arXiv:2504.13161, section 3), which merges by distance.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    # The sums of several threads differ in their last bits, and with them the clusters.
    with threadpool_limits(limits=1):
        found = KMeans(min(centres, len(features)), n_init=3, random_state=seed).fit(features)
        labels = np.asarray(found.labels_, dtype=np.int64)
    used, labels = np.unique(labels, return_inverse=True)
    points = np.asarray(found.cluster_centers_, dtype=np.float64)[used]
    counts = np.bincount(labels).astype(np.float64)
    total = float(((features - features.mean(axis=0)) ** 2).sum())
    owner, losses = _merge(points, counts, max(total, 1e-300), clusters, merge)
    documents = np.bincount(owner, weights=counts)
    rank = np.empty(len(documents), dtype=np.int64)
    rank[np.argsort(-documents, kind="stable")] = np.arange(len(documents))
    return Clustering(points, rank[owner], losses)


def _merge(
    points: Array, counts: Array, total: float, clusters: int | None, merge: float
) -> tuple[Labels, tuple[float, ...]]:
    """Cluster of each point and the losses of all merges, made or not."""
    size = len(points)
    weights = counts.copy()
    squares = (points**2).sum(axis=1)
    gap = np.maximum(squares[:, None] + squares - 2 * points @ points.T, 0.0)
    loss = gap * np.outer(weights, weights) / np.add.outer(weights, weights)
    np.fill_diagonal(loss, np.inf)
    owner = np.arange(size)
    kept = owner.copy()
    losses: list[float] = []
    stopped = False
    for left in range(size, 1, -1):
        first, second = sorted(divmod(int(np.argmin(loss)), size))
        lost = float(loss[first, second])
        losses.append(lost / total)
        stopped = stopped or (left <= clusters if clusters is not None else lost / total > merge)
        a, b = weights[first], weights[second]
        joined = ((a + weights) * loss[first] + (b + weights) * loss[second] - weights * lost) / (
            a + b + weights
        )
        joined[first] = np.inf
        loss[first, :] = loss[:, first] = joined
        loss[second, :] = loss[:, second] = np.inf
        weights[first] = a + b
        owner[owner == second] = first
        if not stopped:
            kept = owner.copy()
    return np.unique(kept, return_inverse=True)[1].astype(np.int64), tuple(losses)
