"""From a sweep file to a design: tokens built, sizes counted, runs listed. Starts no training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dcpt.core.errors import ConfigError
from dcpt.corpus.batches import LEAST_HELDOUT_WINDOWS, heldout_windows_available
from dcpt.corpus.build import build_corpora
from dcpt.corpus.shards import Corpus
from dcpt.run.lock import one_at_a_time
from dcpt.sweep.expand import Design, expand
from dcpt.sweep.ladder import Rung, build_rungs
from dcpt.sweep.ladder_files import LadderFiles
from dcpt.sweep.mixture_settings import MixtureDesign
from dcpt.sweep.mixtures import Mixture
from dcpt.sweep.notes import notes_of
from dcpt.sweep.rounds_file import read_rounds
from dcpt.sweep.spec import SweepSpec, read_sweep


@dataclass(frozen=True)
class Sweep:
    """A sweep file, the folder it lives in, and what it comes to.

    Attributes
    ----------
    spec : SweepSpec
        The file.
    root : path
        Its folder; runs, corpora and losses lie there.
    design : Design
        The runs.
    notes : tuple of str
        What a reader should know before it runs: text that is repeated, seen by the bases before or held
        out and trained on, few held-out windows, few sizes.
    """

    spec: SweepSpec
    root: Path
    design: Design
    notes: tuple[str, ...]


def find_sweep(path: Path | str) -> Path:
    """The sweep file a user means by a file or its folder.

    Raises
    ------
    ConfigError
        When there is none.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "sweep.yaml"
    if not path.exists():
        raise ConfigError(
            f"{path}: no such sweep file.", hint="dcpt sweep new FOLDER writes one to start from"
        )
    return path


def prepare(
    path: Path | str, data_root: Path | str | None = None, progress: Callable[[str], None] | None = None
) -> Sweep:
    """Read a sweep file, tokenise its corpora once, and list its runs.

    Parameters
    ----------
    path : path
        The sweep file or its folder.
    data_root : path, optional
        Folder that relative corpus and checkpoint paths start from; by default the sweep's folder.
    progress : callable, optional
        Told in a few words what is being done.

    Returns
    -------
    Sweep

    Raises
    ------
    ConfigError, DataError
        For mistakes in the file and for unusable corpora.
    """
    path = find_sweep(path)
    spec = read_sweep(path)
    root = path.parent
    sources = Path(data_root) if data_root is not None else root
    try:
        ladder = LadderFiles.find(spec, root, sources)
        # Before any text is read: what cannot be trained is said at once, not after hours of tokenising.
        rungs = _rungs(spec, ladder, ladder.expected, root)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.message}", error.hint) from None
    with one_at_a_time(root / "corpus" / "build.lock"):
        built = [corpus.built for corpus in spec.corpora]
        corpora = build_corpora(built, ladder.tokenizer, root / "corpus", sources, progress)
    info = next(iter(corpora.values()))
    try:
        _check_heldout(corpora, spec.model.context)
        if (info.vocab_size, info.eos_id) != ladder.expected:
            rungs = _rungs(spec, ladder, (info.vocab_size, info.eos_id), root)
        done = read_rounds(root, list(corpora)) if isinstance(spec.cpt.mixtures, MixtureDesign) else None
        so_far = done.mixtures if done is not None else None
        design = expand(spec, corpora, rungs, info.tokenizer_hash, so_far)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.message}", error.hint) from None
    past = ladder.notes(info.tokenizer_hash)
    return Sweep(spec, root, design, tuple([*notes_of(spec, design), *past]))


def _rungs(spec: SweepSpec, ladder: LadderFiles, tokens: tuple[int, int], root: Path) -> dict[str, Rung]:
    rungs = build_rungs(ladder.sizes, spec.model, *tokens, ladder.folders, root)
    _check_sizes(rungs)
    return rungs


def with_mixtures(sweep: Sweep, mixtures: Sequence[Mixture]) -> Sweep:
    """The same sweep with other mixtures than its file's: those of its rounds so far."""
    design = sweep.design
    again = expand(sweep.spec, design.corpora, design.rungs, design.runs[0].tokenizer_hash, mixtures)
    return Sweep(sweep.spec, sweep.root, again, tuple(notes_of(sweep.spec, again)))


def _check_heldout(corpora: Mapping[str, Corpus], context: int) -> None:
    """Every run is measured on every corpus, so a short held-out text would end each of them."""
    for name, corpus in corpora.items():
        available = heldout_windows_available(corpus, context)
        if available < LEAST_HELDOUT_WINDOWS:
            raise ConfigError(
                f"corpus {name!r}: its held-out text of {corpus.heldout.tokens} tokens has {available} "
                f"windows of {context}; wanted at least {LEAST_HELDOUT_WINDOWS}.",
                hint="raise its heldout_share, give a larger held-out source, or lower model.context",
            )


def _check_sizes(rungs: Mapping[str, Rung]) -> None:
    counts: dict[int, Rung] = {}
    for rung in rungs.values():
        other = counts.setdefault(rung.N, rung)
        if other is not rung:
            loaded = other.model.checkpoint is not None and rung.model.checkpoint is not None
            advice = (
                "put each checkpoint into a sweep of its own" if loaded else "for another seed use seeds:"
            )
            raise ConfigError(
                f"sizes {other.name!r} and {rung.name!r} have the same N = {rung.N}.",
                hint=f"the law tells sizes apart by N; {advice}",
            )
