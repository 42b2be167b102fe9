"""What reweighting has done to a run's mixture so far: all that the next update depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from dcpt.core.files import content_hash
from dcpt.core.mixture import MixturePhase
from dcpt.core.mixture_update import updated_shares, whole_sequences
from dcpt.core.run_spec import RunSpec, to_dict


@dataclass(frozen=True)
class MixtureSegment:
    """The shares between two updates.

    Parameters
    ----------
    start : int
        First sequence of the segment.
    wanted : mapping
        Corpus to the share that the formula and the bounds give.
    shares : mapping
        Corpus to the share in force: whole sequences of a full segment over their number.
    """

    start: int
    wanted: Mapping[str, float]
    shares: Mapping[str, float]


@dataclass(frozen=True)
class MixtureHistory:
    """Segments of a run and the losses its next update reads; goes into checkpoints.

    Parameters
    ----------
    origin : str
        Hash of what the segments depend on beside the losses: a branch goes on with its trunk's history
        only where both agree (see `origin_of`).
    segments : tuple of MixtureSegment
        From the start of the run, without gaps.
    first : mapping
        Corpus to loss at the first evaluation; empty before it.
    recent : tuple of mapping
        Losses of the last evaluations, oldest first, as many as the window has.
    """

    origin: str
    segments: tuple[MixtureSegment, ...]
    first: Mapping[str, float] = field(default_factory=dict)
    recent: tuple[Mapping[str, float], ...] = ()

    @property
    def phases(self) -> tuple[MixturePhase, ...]:
        """Phases the sampler is given: the segments with the shares in force."""
        return tuple(MixturePhase(segment.start, segment.shares) for segment in self.segments)


def origin_of(spec: RunSpec) -> str:
    """Hash of the mixture, the evaluations and the batch: what a trunk and its branch have in common."""
    evaluation = spec.evaluation
    return content_hash(
        [
            to_dict(spec.mixture),
            [to_dict(corpus) for corpus in spec.corpora],
            [evaluation.every, evaluation.sequences, evaluation.dense_sequences, spec.batch, spec.context],
        ]
    )


def begin_history(spec: RunSpec) -> MixtureHistory:
    """History of a run that begins: the shares before any loss is known.

    Parameters
    ----------
    spec : RunSpec
        Its mixture has a reweighting.
    """
    return _with_segment(MixtureHistory(origin_of(spec), ()), spec, 0)


def record_losses(history: MixtureHistory, spec: RunSpec, losses: Mapping[str, float]) -> MixtureHistory:
    """Add the losses of an evaluation, by corpus, in nats per token."""
    rule = spec.mixture.reweighting
    assert rule is not None
    recent = (*history.recent, dict(losses))[-rule.window :]
    return replace(history, first=history.first or dict(losses), recent=recent)


def update_mixture(history: MixtureHistory, spec: RunSpec, step: int) -> MixtureHistory:
    """Add the segment that begins after `step` steps.

    Raises
    ------
    DataError
        When a loss that the update reads is missing or cannot be used (see `updated_shares`).
    """
    return _with_segment(history, spec, step * spec.batch)


def _with_segment(history: MixtureHistory, spec: RunSpec, start: int) -> MixtureHistory:
    rule = spec.mixture.reweighting
    assert rule is not None
    sequences = rule.every * spec.batch
    prior = spec.mixture.phases[0].shares
    exact = updated_shares(rule, prior, history.recent, history.first, sequences)
    # Owed sequences are taken from what the history says, not from the exact shares: a resumed run knows
    # no more than that.
    owed = {
        name: sum(
            (
                (Fraction(segment.wanted[name]) - Fraction(segment.shares[name])) * sequences
                for segment in history.segments
            ),
            Fraction(0),
        )
        for name in prior
    }
    counts = whole_sequences(exact, sequences, owed)
    segment = MixtureSegment(
        start,
        {name: float(share) for name, share in exact.items()},
        {name: count / sequences for name, count in counts.items()},
    )
    return replace(history, segments=(*history.segments, segment))
