"""Text to token shards, once: a second build of the same thing returns at once."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.files import content_hash, read_json
from dcpt.corpus.documents import PartedDocuments, part_corpora
from dcpt.corpus.leakage import measure_leakage
from dcpt.corpus.shards import Corpus, Leakage, open_corpus, read_corpus, token_dtype, write_corpus
from dcpt.corpus.sources import source_files
from dcpt.corpus.spec import CorpusSpec, SourceSpec, TokenizerSpec
from dcpt.corpus.stream import write_stream
from dcpt.corpus.tokenizer import (
    SCHEMA_VERSION,
    Tokenizer,
    load_tokenizer,
    open_tokenizer,
    save_tokenizer,
    train_bpe,
)
from dcpt.corpus.tokenizer_text import tokenizer_text

# Part of every fingerprint: raised when the same text would become other tokens.
_FORMAT = 2

# Between two lines about the same corpus: often enough to see that it lives.
_QUIET_SECONDS = 5.0

Progress = Callable[[str], None]


def build_corpora(
    specs: Sequence[CorpusSpec],
    tokenizer: TokenizerSpec,
    folder: Path,
    root: Path,
    progress: Progress | None = None,
) -> dict[str, Corpus]:
    """Read, part, tokenise and write every corpus that is not there yet.

    The corpora belong together: what one holds out is training text of none, and a trained tokenizer sees
    them all. So all are rebuilt when a spec (the weight aside), the size or modification time of a source
    file, or the tokenizer changed, and when a corpus is added or removed; nothing is looked up on a hub for
    this. A build that is interrupted keeps the corpora it has finished; the one in the middle starts again.

    Parameters
    ----------
    specs : sequence of CorpusSpec
        The corpora, each name once.
    tokenizer : TokenizerSpec
        One tokenizer for all.
    folder : Path
        Where they go: ``<folder>/<name>/`` and ``<folder>/tokenizer/``.
    root : Path
        Folder that relative source paths start at.
    progress : callable, optional
        Called with a line of text now and then.

    Returns
    -------
    dict
        Corpus name to its description, in the order of `specs`.

    Raises
    ------
    ConfigError
        When there is no corpus or a name stands twice.
    DataError
        When a source cannot be read or the disk refuses a write.
    """
    names = [spec.name for spec in specs]
    if not specs or len(set(names)) != len(names):
        raise ConfigError(f"corpora: names are {names}; wanted at least one, each once.")
    folder, root = Path(folder), Path(root)
    say = progress if progress is not None else _say_nothing
    prints = {spec.name: _spec_fingerprint(spec, root) for spec in specs}
    documents = _Documents(specs, root, say)
    trained = _the_tokenizer(tokenizer, prints, folder / "tokenizer", root, documents, say)
    fingerprints = {name: content_hash([own, prints, trained.hash]) for name, own in prints.items()}
    built = {name: _built(folder / name, fingerprint) for name, fingerprint in fingerprints.items()}
    missing = [name for name, there in built.items() if there is None]
    leakage = _measure(documents.parted(), missing, say) if missing else {}
    return {
        name: there
        or _build(documents.parted()[name], leakage[name], trained, folder, fingerprints[name], say)
        for name, there in built.items()
    }


def _say_nothing(line: str) -> None:
    del line


class _Documents:
    """The parted documents of all corpora, read when first asked for."""

    def __init__(self, specs: Sequence[CorpusSpec], root: Path, say: Progress) -> None:
        self._specs, self._root, self._say = specs, root, say
        self._parted: dict[str, PartedDocuments] = {}

    def parted(self) -> dict[str, PartedDocuments]:
        if not self._parted:
            self._parted = part_corpora(self._specs, self._root)
            for name, parted in self._parted.items():
                train, heldout = len(parted.train), len(parted.heldout)
                self._say(f"corpus {name}: {train} documents to train on, {heldout} held out")
        return self._parted


def _spec_fingerprint(spec: CorpusSpec, root: Path) -> str:
    document = spec.model_dump(mode="json", exclude={"weight"})
    sources = [spec.source] if spec.heldout is None else [spec.source, spec.heldout]
    return content_hash([_FORMAT, document, [_source_state(source, root) for source in sources]])


def _source_state(source: SourceSpec, root: Path) -> list[Any]:
    if source.kind == "embedded":
        # The standard library changes with the version, not with the time it was unpacked.
        return [list(sys.version_info[:3]), len(source_files(source, root))]
    state: list[Any] = []
    for path in source_files(source, root):
        try:
            stat = path.stat()
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror or error}.") from error
        name = path.relative_to(root) if path.is_relative_to(root) else path
        state.append([name.as_posix(), stat.st_size, stat.st_mtime_ns])
    return state


def _the_tokenizer(
    spec: TokenizerSpec,
    prints: Mapping[str, str],
    folder: Path,
    root: Path,
    documents: _Documents,
    say: Progress,
) -> Tokenizer:
    made_from: list[Any] = [_FORMAT, spec.model_dump(mode="json")]
    if spec.kind == "bpe":
        made_from.append(dict(prints))
        fingerprint = content_hash(made_from)
        if (folder / "tokenizer_info.json").is_file():
            info = read_json(folder / "tokenizer_info.json", "a tokenizer description", SCHEMA_VERSION)
            if info.get("fingerprint") == fingerprint:
                return open_tokenizer(folder)
        say(f"tokenizer: training a vocabulary of {spec.vocab_size}")
        trained = train_bpe(tokenizer_text(list(documents.parted().values())), spec.vocab_size)
    else:
        trained = load_tokenizer(spec, root)
        fingerprint = content_hash([*made_from, trained.hash])
        if (folder / "tokenizer_info.json").is_file():
            info = read_json(folder / "tokenizer_info.json", "a tokenizer description", SCHEMA_VERSION)
            if info.get("fingerprint") == fingerprint:
                return trained
    _remove(folder)
    save_tokenizer(trained, folder, fingerprint)
    return trained


def _built(folder: Path, fingerprint: str) -> Corpus | None:
    """The corpus in a folder when it is whole and was made from the same things."""
    if not (folder / "corpus.json").is_file():
        return None
    try:
        if read_corpus(folder).fingerprint != fingerprint:
            return None
        return open_corpus(folder).info
    except DataError:
        return None  # cut short or from another version: build it again


def _measure(
    parted: Mapping[str, PartedDocuments], names: Sequence[str], say: Progress
) -> dict[str, Leakage]:
    """Leakage of some corpora, in one reading of all."""
    say("corpora: comparing the held-out with the training documents")
    return measure_leakage(
        {name: list(parted[name].heldout_documents()) for name in names},
        {name: part.train_documents() for name, part in parted.items()},
        {name: part.duplicates_removed for name, part in parted.items()},
    )


def _build(
    parted: PartedDocuments,
    leakage: Leakage,
    tokenizer: Tokenizer,
    folder: Path,
    fingerprint: str,
    say: Progress,
) -> Corpus:
    name = parted.spec.name
    unfinished = folder / f".{name}.unfinished"
    _remove(unfinished)
    try:
        try:
            unfinished.mkdir(parents=True)
        except OSError as error:
            raise DataError(f"{unfinished}: could not be made: {error.strerror or error}.") from error
        total = sum(parted.train_sizes)
        spoken = time.monotonic()

        def report(done: int) -> None:
            nonlocal spoken
            if time.monotonic() - spoken < _QUIET_SECONDS:
                return
            spoken = time.monotonic()
            say(f"corpus {name}: {done / 1e6:.1f} of {total / 1e6:.1f} MB tokenised")

        heldout = write_stream(unfinished / "heldout.bin", parted.heldout_documents(), tokenizer)
        train = write_stream(unfinished / "train.bin", parted.train_documents(), tokenizer, report)
        corpus = Corpus(
            name=name,
            role=parted.spec.role,
            tokenizer_hash=tokenizer.hash,
            vocab_size=tokenizer.vocab_size,
            eos_id=tokenizer.eos_id,
            dtype=token_dtype(tokenizer.vocab_size),
            train=train,
            heldout=heldout,
            leakage=leakage,
            dropped=parted.dropped,
            fingerprint=fingerprint,
        )
        write_corpus(unfinished, corpus)
        _remove(folder / name)
        try:
            unfinished.rename(folder / name)
        except OSError as error:
            raise DataError(f"{folder / name}: could not be made: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    say(f"corpus {name}: {train.tokens} tokens to train on, {heldout.tokens} held out")
    return corpus


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise DataError(f"{folder}: could not be removed: {error.strerror or error}.") from error
