"""What a reader should know before a sweep runs: repeated and leaked text, few sizes, options of training."""

from __future__ import annotations

from collections.abc import Sequence

from dcpt.core.phase_shares import sequences_by_corpus
from dcpt.core.run_spec import RunSpec
from dcpt.corpus.batches import heldout_windows_available
from dcpt.corpus.shards import Corpus
from dcpt.sweep.corpus_settings import stand_in_notes
from dcpt.sweep.expand import Design
from dcpt.sweep.mixture_settings import MixtureDesign
from dcpt.sweep.mixtures import recommended, written
from dcpt.sweep.option_notes import option_notes
from dcpt.sweep.spec import SweepSpec
from dcpt.sweep.supply import used_windows

LEAKAGE_NOTED = 0.1
"""Share of held-out n-grams in training text from which a sweep says so: a judgement. Boilerplate alone,
licences or clauses, makes a few per cent."""


def notes_of(spec: SweepSpec, design: Design) -> list[str]:
    """Everything worth a line before a sweep runs (see `dcpt.sweep.prepare.Sweep`)."""
    notes = []
    for name, corpus in design.corpora.items():
        notes += [
            *_notes_on_training_text(name, corpus, spec.model.context, design.runs),
            *_notes_on_heldout_text(name, corpus, spec),
        ]
    if len({rung.N for rung in design.rungs.values()}) < 4:
        notes.append("fewer than 4 sizes: extrapolation in N will be poor")
    notes += _notes_on_mixtures(spec, design)
    notes += [*stand_in_notes(spec.corpora), *option_notes(spec.cpt, design)]
    if any(run.mixture.reweighting is not None for run in design.runs):
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
        left = windows - run.mixture.skip.get(name, 0)
        supply = min(left, run.mixture.limit.get(name, left))
        passes = sequences_by_corpus(run.mixture, run.schedule.steps * run.batch)[name] / max(supply, 1)
        if passes > worst:
            worst, which = passes, run.slug
    if worst > 1:
        notes.append(f"corpus {name!r} is repeated: up to {worst:.1f} epochs (run {which})")
    seen = {run.size for run in runs if run.kind == "base" and used_windows(run)[name]}
    if any(
        run.kind != "base"
        and run.size in seen
        and run.mixture.largest_shares[name] > 0
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
