"""What a run reads: the corpora its spec names, checked against their hashes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dcpt.core import files
from dcpt.core.errors import DataError
from dcpt.core.mixture_history import MixtureHistory
from dcpt.core.run_spec import SCHEMA_VERSION, RunSpec, from_dict
from dcpt.corpus.batches import BatchReader
from dcpt.corpus.sampler import MixtureSampler
from dcpt.corpus.shards import SPLITS, SplitInfo, TokenCorpus, open_corpus


def read_spec(run_dir: Path) -> RunSpec:
    """The spec of a run's folder.

    Raises
    ------
    DataError, ConfigError
        When ``spec.json`` is absent or damaged.
    """
    path = run_dir / "spec.json"
    document = files.read_json(path, "a run spec", SCHEMA_VERSION)
    document.pop("schema_version")
    return from_dict(RunSpec, document, str(path))


@dataclass(frozen=True, eq=False)
class Mixture:
    """The token batches of a run and the sampler that says where they come from."""

    reader: BatchReader
    sampler: MixtureSampler

    def batch(self, step: int) -> NDArray[np.int64]:
        """Token ids of a step, shape (batch, context + 1); steps count from 1."""
        return self.reader.batch(step)


def open_corpora(root: Path, spec: RunSpec) -> dict[str, TokenCorpus]:
    """Open a run's corpora; each stream is compared with its SHA-256 once per process.

    Parameters
    ----------
    root : Path
        Folder of the sweep; the corpora lie in ``root/corpus``.
    spec : RunSpec
        Names them, with hashes.

    Raises
    ------
    DataError
        When a corpus is absent, is not the one the spec was made with, or its tokens are not as written.
    """
    corpora = {}
    for wanted in spec.corpora:
        corpus = _open_verified(root / "corpus" / wanted.name)
        for what, got, want in (
            ("content hash", corpus.info.hash, wanted.hash),
            ("role", corpus.info.role, wanted.role),
            ("tokenizer hash", corpus.info.tokenizer_hash, spec.tokenizer_hash),
        ):
            if got != want:
                raise DataError(
                    f"{root / 'corpus' / wanted.name}: {what} is {got!r}; the run wants {want!r}.",
                    hint="the corpus was rebuilt since the run was set up: set the sweep up again",
                )
        corpora[wanted.name] = corpus
    return corpora


# What was verified in this process: path, size, time of change and SHA-256 of each stream.
_verified: set[tuple[str, int, int, str]] = set()


def _open_verified(folder: Path) -> TokenCorpus:
    corpus = open_corpus(folder)
    seals = set()
    for split in SPLITS:
        path = folder / f"{split}.bin"
        stat = path.stat()
        size: SplitInfo = getattr(corpus.info, split)
        seals.add((str(path), stat.st_size, stat.st_mtime_ns, size.sha256))
    if not seals <= _verified:
        corpus = open_corpus(folder, verify=True)
        _verified.update(seals)
    return corpus


def open_mixture(
    corpora: dict[str, TokenCorpus], spec: RunSpec, history: MixtureHistory | None = None
) -> Mixture:
    """The run's batches.

    Parameters
    ----------
    corpora : dict
        As `open_corpora` gives them.
    spec : RunSpec
        The run.
    history : MixtureHistory, optional
        Where its mixture is reweighted: the shares so far.

    Raises
    ------
    ConfigError
        When the mixture asks for more than the corpora have.
    """
    missing = sorted(set(spec.mixture.roles) - set(corpora))
    if missing:
        raise DataError(
            f"the mixture names corpus {missing[0]!r}; the run lists {', '.join(sorted(corpora))}."
        )
    windows = {name: corpora[name].n_windows(spec.context) for name in spec.mixture.roles}
    # Made for the spec's own shares even if others are in force: they name every corpus that may be drawn.
    sampler = MixtureSampler(spec.mixture, windows)
    if history is not None:
        sampler = MixtureSampler(replace(spec.mixture, phases=history.phases), windows)
    return Mixture(BatchReader(corpora, sampler, spec.context, spec.batch), sampler)
