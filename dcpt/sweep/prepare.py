"""From a sweep file to a design: tokens built, sizes counted, runs listed. Starts no training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dcpt.core.errors import ConfigError
from dcpt.corpus.build import build_corpora
from dcpt.run.lock import one_at_a_time
from dcpt.sweep.expand import Design, expand
from dcpt.sweep.ladder import Rung, build_rung
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
        What a reader should know before it runs (epochs, leakage).
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
    with one_at_a_time(root / "corpus" / "build.lock"):
        corpora = build_corpora(spec.corpora, spec.tokenizer, root / "corpus", sources, progress)
    info = next(iter(corpora.values()))
    sizes = [*spec.model.sizes, *([spec.target.size] if spec.target else [])]
    try:
        rungs = {
            size.name: build_rung(size, spec.model, info.vocab_size, info.eos_id, sources) for size in sizes
        }
        _check_sizes(rungs)
        design = expand(spec, corpora, rungs, info.tokenizer_hash)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.message}", error.hint) from None
    return Sweep(spec, root, design, tuple(_notes(spec, design)))


def _check_sizes(rungs: Mapping[str, Rung]) -> None:
    counts: dict[int, str] = {}
    for rung in rungs.values():
        if rung.N in counts and rung.model.checkpoint is None:
            raise ConfigError(
                f"sizes {counts[rung.N]!r} and {rung.name!r} have the same N = {rung.N}.",
                hint="the law tells sizes apart by N; for another seed use seeds:",
            )
        counts[rung.N] = rung.name


def _notes(spec: SweepSpec, design: Design) -> list[str]:
    notes = []
    for name, corpus in design.corpora.items():
        windows = (corpus.train.tokens - 1) // spec.model.context
        worst, which = 0.0, ""
        for run in design.runs:
            supply = windows - run.mixture.skip.get(name, 0)
            passes = run.schedule.steps * run.batch * run.mixture.phases[-1].shares[name] / max(supply, 1)
            if passes > worst:
                worst, which = passes, run.slug
        if worst > 1:
            notes.append(f"corpus {name!r} is repeated: up to {worst:.1f} epochs (run {which})")
    if len({rung.N for rung in design.rungs.values()}) < 4:
        notes.append("fewer than 4 sizes: extrapolation in N will be poor")
    if any(ratio in (0, 1) for ratio in spec.cpt.ratios):
        notes.append("ratios 0 and 1 jump away from the D-CPT law; fits leave them out and report them apart")
    return notes
