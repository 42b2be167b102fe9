"""Documents as points: weighted words in few dimensions, or the embeddings of a local model."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError, DataError

Array = NDArray[np.float64]

CHARACTERS = 20_000
"""Of a document, what is read of it: the beginning of a book says what it is about."""
DIMENSIONS = 100
"""Of the words, after truncated SVD: what is customary for latent semantic analysis."""
VOCABULARY = 50_000
WORD = r"(?u)\b[^\W\d_]{2,}\b"

Units = Literal["words", "characters"]


def need_sklearn() -> None:
    """Refuse with a hint when scikit-learn is absent.

    Raises
    ------
    ConfigError
    """
    try:
        import sklearn  # noqa: F401
    except ImportError:
        raise ConfigError(
            "clustering needs scikit-learn, which is not installed.", "pip install 'dcpt[mixtures]'"
        ) from None


@dataclass(frozen=True, eq=False)
class WordSpace:
    """TF-IDF of words and its truncated SVD, fitted on a sample of documents.

    Attributes
    ----------
    vectorizer, projection : object
        `TfidfVectorizer` and `TruncatedSVD` of scikit-learn, fitted.
    """

    vectorizer: Any
    projection: Any

    def weigh(self, documents: Sequence[str]) -> Any:
        """TF-IDF, sparse, shape (documents, vocabulary)."""
        return self.vectorizer.transform([document[:CHARACTERS] for document in documents])

    def place(self, documents: Sequence[str]) -> Array:
        """Points of length 1, shape (documents, dimensions)."""
        from threadpoolctl import threadpool_limits

        with threadpool_limits(limits=1):
            return unit_rows(self.projection.transform(self.weigh(documents)))

    @property
    def words(self) -> NDArray[np.object_]:
        """The vocabulary, in the order of the columns of `weigh`."""
        return np.asarray(self.vectorizer.get_feature_names_out(), dtype=object)


def fit_words(documents: Sequence[str], seed: int, units: Units = "words") -> WordSpace:
    """Learn the words of a sample and the directions in which its documents differ.

    Words in more than half of the documents, or in one only, are left out; so no list of stop words is
    needed, in any language. For scripts without spaces take pieces of 2 to 4 characters.

    Raises
    ------
    DataError
        When the sample has too few documents or words.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from threadpoolctl import threadpool_limits

    form: dict[str, Any] = (
        {"token_pattern": WORD} if units == "words" else {"analyzer": "char", "ngram_range": (2, 4)}
    )
    vectorizer = TfidfVectorizer(sublinear_tf=True, max_df=0.5, min_df=2, max_features=VOCABULARY, **form)
    try:
        with threadpool_limits(limits=1):
            weights = vectorizer.fit_transform([document[:CHARACTERS] for document in documents])
            dimensions = min(DIMENSIONS, weights.shape[1] - 1, weights.shape[0] - 1)
            projection = TruncatedSVD(max(1, dimensions), random_state=seed).fit(weights)
    except ValueError as error:
        raise DataError(
            f"clustering: {len(documents)} documents share too few words ({error}).",
            hint="give more documents, or for a script without spaces pass --units characters",
        ) from None
    return WordSpace(vectorizer, projection)


def unit_rows(rows: Any) -> Array:
    """Rows of length 1; a row of zeros stays."""
    rows = np.asarray(rows, dtype=np.float64)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


def embed(documents: Iterable[str], model: Path) -> Array:
    """Embeddings of all documents by a local model, in a process of its own.

    The process reads the beginning of each document, and averages the last hidden states over the tokens
    (see `dcpt.train.embed`); torch is never loaded here.

    Parameters
    ----------
    documents : iterable of str
        Their beginnings are spooled to a temporary file.
    model : path
        Folder of a `transformers` model with its tokenizer.

    Returns
    -------
    ndarray, shape (documents, width)
        Rows of length 1.

    Raises
    ------
    ConfigError
        When the folder is absent or the process could not use the model; its last line says why.
    """
    if not (model / "config.json").is_file():
        raise ConfigError(
            f"--embed: {str(model)!r} is no folder of a transformers model (it has no config.json).",
            hint="wanted tfidf-svd, or a local folder; download hub models first",
        )
    with tempfile.TemporaryDirectory() as place:
        texts, points = Path(place) / "texts.jsonl", Path(place) / "points.npy"
        with open(texts, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(document[:CHARACTERS]) + "\n" for document in documents)
        done = subprocess.run(
            [sys.executable, "-m", "dcpt.train.embed", str(model.resolve()), str(texts), str(points)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0 or not points.is_file():
            said = done.stderr.strip().splitlines()
            reason = said[-1] if said else "the process did not say why"
            raise ConfigError(f"--embed: {model}: {reason.rstrip('.')}.")
        return unit_rows(np.load(points, allow_pickle=False))
