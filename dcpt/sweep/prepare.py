"""From a sweep file to a design: tokens built, sizes counted, runs listed. Starts no training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dcpt.core.errors import ConfigError
from dcpt.core.run_spec import RunSpec
from dcpt.corpus.batches import LEAST_HELDOUT_WINDOWS, heldout_windows_available
from dcpt.corpus.build import build_corpora
from dcpt.corpus.shards import Corpus
from dcpt.run.lock import one_at_a_time
from dcpt.sweep.expand import Design, expand
from dcpt.sweep.ladder import Rung, build_rungs
from dcpt.sweep.mixture_settings import MixtureDesign
from dcpt.sweep.mixtures import Mixture, recommended, written
from dcpt.sweep.rounds_file import read_rounds
from dcpt.sweep.spec import SweepSpec, read_sweep
from dcpt.sweep.supply import used_windows

LEAKAGE_NOTED = 0.1
"""Share of held-out n-grams in training text from which a sweep says so: a judgement. Boilerplate alone,
licences or clauses, makes a few per cent."""


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
    with one_at_a_time(root / "corpus" / "build.lock"):
        corpora = build_corpora(spec.corpora, spec.tokenizer, root / "corpus", sources, progress)
    info = next(iter(corpora.values()))
    sizes = [*spec.model.sizes, *([spec.target.size] if spec.target else [])]
    try:
        _check_heldout(corpora, spec.model.context)
        rungs = build_rungs(sizes, spec.model, info.vocab_size, info.eos_id, sources, root)
        _check_sizes(rungs)
        done = read_rounds(root, list(corpora)) if isinstance(spec.cpt.mixtures, MixtureDesign) else None
        so_far = done.mixtures if done is not None else None
        design = expand(spec, corpora, rungs, info.tokenizer_hash, so_far)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.message}", error.hint) from None
    return Sweep(spec, root, design, tuple(_notes(spec, design)))


def with_mixtures(sweep: Sweep, mixtures: Sequence[Mixture]) -> Sweep:
    """The same sweep with other mixtures than its file's: those of its rounds so far."""
    design = sweep.design
    again = expand(sweep.spec, design.corpora, design.rungs, design.runs[0].tokenizer_hash, mixtures)
    return Sweep(sweep.spec, sweep.root, again, tuple(_notes(sweep.spec, again)))


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


def _notes(spec: SweepSpec, design: Design) -> list[str]:
    notes = []
    for name, corpus in design.corpora.items():
        notes += [
            *_notes_on_training_text(name, corpus, spec.model.context, design.runs),
            *_notes_on_heldout_text(name, corpus, spec),
        ]
    if len({rung.N for rung in design.rungs.values()}) < 4:
        notes.append("fewer than 4 sizes: extrapolation in N will be poor")
    notes += _notes_on_mixtures(spec, design)
    if spec.cpt.reweighting is not None:
        notes.append(
            "shares move inside a run: a corpus may be repeated more than its first share says; the tables "
            "name the shares asked for; r_seen and the runs' journals say what was seen"
        )
    if any(ratio in (0, 1) for ratio in spec.cpt.ratios):
        notes.append("ratios 0 and 1 jump away from the D-CPT law; fits leave them out and report them apart")
    return notes


def _notes_on_mixtures(spec: SweepSpec, design: Design) -> list[str]:
    settings, region = spec.cpt.mixtures, design.region
    if settings is None or region is None:
        return []
    notes, corpora = [], len(design.corpora)
    count = len(design.mixtures)
    if isinstance(settings, MixtureDesign) and len(settings.rounds) > 1:
        count = max(count, sum(settings.rounds))
    if count < recommended(corpora):
        notes.append(
            f"{count} mixtures of {corpora} corpora: at least {recommended(corpora)} are recommended, "
            "3 for each corpus and 3 more"
        )
    for name, most in region.capped.items():
        notes.append(
            f"corpus {name!r}: at most {100 * most:.3g} % of a run, so that the longest makes no more than "
            f"max_epochs = {spec.cpt.max_epochs:g} passes over it"
        )
    if isinstance(settings, MixtureDesign):
        for name in settings.include:
            if not region.holds(written(name, region.corpora)):
                notes.append(f"the {name} mixture is outside the bounds and not among the design's")
    return notes


def _notes_on_training_text(name: str, corpus: Corpus, context: int, runs: Sequence[RunSpec]) -> list[str]:
    notes = []
    windows = (corpus.train.tokens - 1) // context
    worst, which = 0.0, ""
    for run in runs:
        supply = windows - run.mixture.skip.get(name, 0)
        passes = run.schedule.steps * run.batch * run.mixture.phases[-1].shares[name] / max(supply, 1)
        if passes > worst:
            worst, which = passes, run.slug
    if worst > 1:
        notes.append(f"corpus {name!r} is repeated: up to {worst:.1f} epochs (run {which})")
    seen = {run.size for run in runs if run.kind == "base" and used_windows(run)[name]}
    if any(
        run.kind != "base"
        and run.size in seen
        and run.mixture.phases[-1].shares[name] > 0
        and name not in run.mixture.skip
        for run in runs
    ):
        notes.append(
            f"corpus {name!r}: what the bases leave of it is too little for the runs, which draw from all of "
            "it, the text the bases have seen included"
        )
    return notes


def _notes_on_heldout_text(name: str, corpus: Corpus, spec: SweepSpec) -> list[str]:
    notes = []
    available, asked = heldout_windows_available(corpus, spec.model.context), spec.evaluation.sequences
    if available < asked:
        notes.append(
            f"corpus {name!r}: an evaluation takes all of its {available} held-out windows; "
            f"evaluation.sequences asks for {asked}"
        )
    leakage = corpus.leakage
    for overlap, whose in ((leakage.overlap, "its"), (leakage.overlap_others, "the other corpora's")):
        if overlap is not None and overlap > LEAKAGE_NOTED:
            notes.append(
                f"corpus {name!r}: {100 * overlap:.1f} % of its held-out {leakage.words}-grams also stand in "
                f"{whose} training text; its loss measures memory as well"
            )
    return notes
