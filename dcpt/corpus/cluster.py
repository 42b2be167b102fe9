"""A corpus without labels into domains: documents that use the same words, or embed alike, go together."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from dcpt.core import files
from dcpt.core.errors import ConfigError, DataError
from dcpt.corpus.cluster_centres import Array, Clustering, Labels, find_clusters
from dcpt.corpus.cluster_features import Units, WordSpace, embed, fit_words, need_sklearn
from dcpt.corpus.cluster_files import ClusterWriter, count_tokens, names_of
from dcpt.corpus.documents import DocumentReader
from dcpt.corpus.sources import describe
from dcpt.corpus.spec import SourceSpec
from dcpt.corpus.split import document_digest

SCHEMA_VERSION = 1
CLUSTERS = "clusters.json"
TOP_TERMS = 10
_BATCH = 1000

Say = Callable[[str], None]


@dataclass(frozen=True)
class ClusterSettings:
    """How a corpus is clustered.

    Attributes
    ----------
    clusters : int, optional
        Clusters wanted; None merges as long as a merge loses no more than `merge`.
    merge : float
        Greatest share of the documents' variance that joining two clusters may lose.
    centres : int, optional
        Centres of the k-means before the merging; by default one per 40 documents, from 20 to 1000.
    embed : path, optional
        Folder of a local embedding model; None takes TF-IDF and truncated SVD.
    units : {"words", "characters"}
        What TF-IDF counts.
    sample : int
        Documents that words, centres and clusters are learnt from, those with the lowest text hash; the
        rest are assigned.
    seed : int
        Of the SVD and of the k-means.
    tokenizer : str, optional
        Folder of a tokenizer to count tokens with; None counts those of a byte-level BPE trained on a part of
        the sample, in a part of each cluster.
    """

    clusters: int | None = None
    # Of law, medicine and mathematics (15,242 documents) the last merges lose 0.09, 0.07 and, joining the two
    # halves of mathematics, 0.04; no merge before them loses more than 0.017.
    merge: float = 0.02
    centres: int | None = None
    embed: Path | None = None
    units: Units = "words"
    sample: int = 20_000
    seed: int = 0
    tokenizer: str | None = None

    def __post_init__(self) -> None:
        for name, least in (("clusters", 1), ("centres", 1), ("sample", 10)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"{name} is {value}; wanted at least {least}.")
        if not 0 <= self.merge <= 1:
            raise ConfigError(f"merge is {self.merge:g}; wanted a share of the variance, in [0, 1].")


def cluster_corpus(
    sources: Sequence[SourceSpec], folder: Path, settings: ClusterSettings, root: Path, say: Say | None = None
) -> dict[str, Any]:
    """Write one file of documents per cluster, and ``clusters.json`` last.

    The same documents, settings and versions give the same files, byte for byte.

    Parameters
    ----------
    sources : sequence of SourceSpec
        The corpus; several are clustered as one.
    folder : path
        Where the files go.
    settings : ClusterSettings
        How.
    root : path
        Folder that relative source paths start at.
    say : callable, optional
        Told in a few words what is being done.

    Returns
    -------
    dict
        Content of ``clusters.json``: per cluster, largest first, its name, file, documents, bytes, tokens and
        top terms; shares of the variance lost by the last merges; settings and versions.

    Raises
    ------
    ConfigError
        When scikit-learn or the model is absent, or more clusters are asked for than there are documents.
    DataError
        When the documents cannot be read, or are too few to be told apart.
    """
    need_sklearn()
    say = say or (lambda line: None)
    _refuse_inside(sources, folder, root)
    documents = _Documents(sources, root)
    learnt = documents.lowest_hashes(settings.sample)
    say(f"clustering {documents.count} documents, learning from {len(learnt)}")
    if len(learnt) < max(10, settings.clusters or 1):
        raise (ConfigError if settings.clusters and settings.clusters > 10 else DataError)(
            f"clustering: {documents.count} documents; wanted at least {max(10, settings.clusters or 1)}."
        )
    sample = list(documents.at(learnt))
    words = fit_words(sample, settings.seed, settings.units)
    embedded = embed(iter(documents), settings.embed) if settings.embed is not None else None
    points = words.place(sample) if embedded is None else embedded[learnt]
    centres = settings.centres or min(1000, max(20, len(learnt) // 40))
    if settings.clusters is not None:
        centres = max(centres, settings.clusters)
    found = find_clusters(points, centres, settings.clusters, settings.merge, settings.seed)
    terms = _top_terms(words, sample, found.assign(points), found.clusters)
    names = names_of(terms)
    say(f"{found.clusters} clusters from {len(found.centres)} centres")
    with ClusterWriter(folder, names, _files_before(folder)) as writer:
        for texts, labels in _assigned(documents, words, embedded, found):
            writer.write(texts, labels)
        sizes = writer.sizes
        tokens, counted = count_tokens(settings.tokenizer, sample, writer.excerpts, sizes, root)
        writer.finish()
    document = {
        "schema_version": SCHEMA_VERSION,
        "sources": [describe(source) for source in sources],
        "settings": {
            "clusters": settings.clusters,
            "merge": settings.merge,
            "centres": len(found.centres),
            "embed": "tfidf-svd" if settings.embed is None else settings.embed.name,
            "units": settings.units,
            "sample": len(learnt),
            "seed": settings.seed,
        },
        "versions": {name: metadata.version(name) for name in ("scikit-learn", "numpy")},
        "tokens_counted": counted,
        "clusters": [
            {
                "name": name,
                "file": writer.file_name(name),
                "documents": sizes[place].documents,
                "bytes": sizes[place].bytes,
                "tokens": tokens[place],
                "terms": terms[place],
            }
            for place, name in enumerate(names)
        ],
        "last_merges": [round(loss, 5) for loss in found.losses[-20:]],
    }
    files.write_json(folder / CLUSTERS, document)
    return document


def _refuse_inside(sources: Sequence[SourceSpec], folder: Path, root: Path) -> None:
    """What is written must not be read as documents."""
    for source in sources:
        place = (root / str(source.path)).resolve()
        if source.path and place.is_dir() and folder.resolve().is_relative_to(place):
            raise ConfigError(
                f"{folder}: lies in the folder of the source {source.path}; wanted another one."
            )


def _files_before(folder: Path) -> list[str]:
    if not (folder / CLUSTERS).is_file():
        return []
    document = files.read_json(folder / CLUSTERS, "a clustering", SCHEMA_VERSION)
    # Only names as `file_name` makes them: nothing elsewhere is removed.
    return [
        str(item["file"])
        for item in document["clusters"]
        if Path(str(item["file"])).name == str(item["file"])
    ]


class _Documents:
    """The documents of several sources, read as often as needed."""

    def __init__(self, sources: Sequence[SourceSpec], root: Path) -> None:
        self._readers = [DocumentReader(source, root) for source in sources]
        self.count = 0

    def __iter__(self) -> Iterator[str]:
        for reader in self._readers:
            yield from reader

    def lowest_hashes(self, count: int) -> Labels:
        """Positions of the documents with the lowest hashes, growing: a sample that order cannot change."""
        digests = [document_digest(document) for document in self]
        self.count = len(digests)
        taken = sorted(range(len(digests)), key=lambda place: (digests[place], place))[:count]
        return np.array(sorted(taken), dtype=np.int64)

    def at(self, positions: Labels) -> Iterator[str]:
        wanted = set(positions.tolist())
        return (document for place, document in enumerate(self) if place in wanted)


def _assigned(
    documents: _Documents, words: WordSpace, embedded: Array | None, found: Clustering
) -> Iterator[tuple[list[str], Labels]]:
    """All documents in order, some at a time, with their clusters."""
    batch: list[str] = []
    first = 0

    def assign() -> Labels:
        points = words.place(batch) if embedded is None else embedded[first : first + len(batch)]
        return found.assign(points)

    for document in documents:
        batch.append(document)
        if len(batch) == _BATCH:
            yield batch, assign()
            first += len(batch)
            batch = []
    if batch:
        yield batch, assign()


def _top_terms(words: WordSpace, sample: Sequence[str], labels: Labels, clusters: int) -> list[list[str]]:
    """Words that weigh more in a cluster than in the others, most first."""
    weights, vocabulary = words.weigh(sample), words.words
    total = np.asarray(weights.sum(axis=0)).ravel()
    terms = []
    for cluster in range(clusters):
        inside = labels == cluster
        own = np.asarray(weights[inside].sum(axis=0)).ravel()
        apart = own / max(inside.sum(), 1) - (total - own) / max((~inside).sum(), 1)
        best = np.argsort(-apart, kind="stable")[:TOP_TERMS]
        terms.append([str(vocabulary[place]) for place in best if own[place] > 0])
    return terms


def corpus_entries(document: dict[str, Any], role: str, folder: Path) -> str:
    """The clusters as lines of a sweep file's ``corpora``."""
    return "\n".join(
        f"  - {{name: {item['name']}, role: {role}, "
        f"source: {{kind: jsonl, path: {json.dumps((folder / item['file']).as_posix())}}}}}"
        for item in document["clusters"]
    )
