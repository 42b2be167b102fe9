"""One training run, written down: everything its losses depend on and nothing else."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from dcpt.core.errors import ConfigError
from dcpt.core.files import content_hash
from dcpt.core.mixture import MixtureSpec
from dcpt.core.phase_shares import domain_share, shares_over_run
from dcpt.core.plain_values import from_dict, to_dict
from dcpt.core.schedule import Schedule
from dcpt.core.training_options import Interpolation, check_tilt

__all__ = [
    "LATER_FIELDS", "SCHEMA_VERSION", "CorpusRef", "EvaluationSpec", "ModelSpec", "OptimizerSpec", "RunSpec",
    "StartSpec", "from_dict", "to_dict",
]  # fmt: skip

SCHEMA_VERSION = 1

LATER_FIELDS: dict[str, tuple[str, ...]] = {
    "mixture": ("weights", "reweighting"),
    "schedule": (
        "warmup_from", "milestones", "factors", "cooldown", "cooldown_shape", "plateau", "anneal", "knots",
    ),
    "evaluation": ("dense_sequences",),
    "model": ("pretraining",),
    "optimizer": ("interpolation", "tilt", "on_spike"),
    "start": ("optimizer",),
}  # fmt: skip
"""Part of a spec to its fields that came later. The run id leaves them out where they have their default, so
that runs made before the field existed keep their ids."""


@dataclass(frozen=True)
class ModelSpec:
    """The network: a `transformers` configuration, or a local checkpoint.

    Parameters
    ----------
    family : str
        ``model_type`` of the `transformers` configuration ("llama", "gpt_neox", ...).
    config : mapping
        The configuration's own fields, vocabulary size and context length included.
    checkpoint : str, optional
        Folder of a `transformers` checkpoint the weights come from; None draws them by seed.
    checkpoint_hash : str, optional
        Hash of that checkpoint's weights, so that the run's identity follows its content.
    pretraining : str
        Of a checkpoint that is a base: the schedule it was trained with, as text; empty when not known.
    """

    family: str
    config: Mapping[str, Any] = field(default_factory=dict)
    checkpoint: str | None = None
    checkpoint_hash: str | None = None
    pretraining: str = ""


@dataclass(frozen=True)
class CorpusRef:
    """A tokenised corpus by name and content hash; it lies at ``ROOT/corpus/<name>``."""

    name: str
    role: Literal["general", "domain"]
    hash: str


@dataclass(frozen=True)
class OptimizerSpec:
    """AdamW and gradient clipping; `dcpt.core.training_options` says what `interpolation` and `tilt` do.

    `on_spike` says what becomes of a run whose training loss leaves its level and stays away: it is
    stopped, tried once more with its data in another order, or left alone. A loss that is no finite number
    stops it in any case; where spikes are tried once more, so is that.
    """

    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-8
    weight_decay: float = 0.1
    clip: float = 1.0
    interpolation: Interpolation | None = None
    tilt: float = 0.0
    on_spike: Literal["stop", "retry", "ignore"] = "stop"

    def __post_init__(self) -> None:
        check_tilt(self.tilt)


@dataclass(frozen=True)
class StartSpec:
    """Where the weights come from: another run's checkpoint.

    Parameters
    ----------
    run_id : str
        The parent run.
    step : int
        The parent's step whose checkpoint is read.
    mode : {"weights", "continue"}
        ``weights`` begins a new phase (step 0, fresh optimizer, D = 0); ``continue`` goes on in the
        parent's phase, with its optimizer state, at step + 1.
    optimizer : {"fresh", "restored"}
        Whether the phase began with the moments that its parent's optimizer ended with.
    """

    run_id: str
    step: int
    mode: Literal["weights", "continue"]
    optimizer: Literal["fresh", "restored"] = "fresh"


@dataclass(frozen=True)
class EvaluationSpec:
    """When to evaluate, on how much.

    Parameters
    ----------
    every : int
        Optimizer steps between evaluations (and checkpoints).
    sequences : int
        Held-out windows per evaluation set, the same ones for every run.
    also_at : tuple of int
        Further steps to evaluate at.
    ends : tuple of int
        Steps whose evaluation counts as the end of a schedule (phase ``end``).
    dense_sequences : int, optional
        Held-out windows per evaluation set at every evaluation, some of the `sequences` ones. Their losses
        are evaluation sets of their own (``general/dense``), at the ends as well, so that a curve is
        measured on one set of windows throughout; the sets without the ending are then measured at the
        ends only. None measures all sets at every evaluation.
    """

    every: int
    sequences: int
    also_at: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()
    dense_sequences: int | None = None


@dataclass(frozen=True)
class RunSpec:
    """A training run. Two equal specs give the same losses; a changed one is another run.

    Parameters
    ----------
    slug : str
        Readable part of the run's name.
    kind : {"base", "trunk", "branch", "run"}
        base: pre-training on the general corpora; trunk: the constant-rate part that branches
        share; branch: a decay from a trunk; run: a schedule of its own from a base.
    tokens_before : int
        Training tokens the model has seen before this phase (D0).
    context : int
        Tokens predicted per sequence.
    batch : int
        Sequences per optimizer step.
    keep : tuple of int
        Steps whose checkpoint later runs start from.
    seed : int
        Seed of the weights (a base) and of the mixture order.
    size : str
        Name of the rung of the model ladder.
    """

    slug: str
    kind: Literal["base", "trunk", "branch", "run"]
    size: str
    model: ModelSpec
    corpora: tuple[CorpusRef, ...]
    tokenizer_hash: str
    mixture: MixtureSpec
    context: int
    batch: int
    schedule: Schedule
    optimizer: OptimizerSpec
    evaluation: EvaluationSpec
    seed: int
    tokens_before: int = 0
    start: StartSpec | None = None
    keep: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        rule = self.mixture.reweighting
        if rule is None:
            return
        if self.kind == "base" or len(self.mixture.phases) != 1:
            raise ConfigError(
                f"run {self.slug}: reweights a mixture of {len(self.mixture.phases)} phases in a run of kind "
                f"{self.kind}; wanted one phase, after the base."
            )
        measured = [corpus.name for corpus in self.corpora]
        prior = self.mixture.phases[0].shares
        rule.check_run(prior, measured, self.evaluation.every, self.batch, self.mixture.block)

    @functools.cached_property
    def run_id(self) -> str:
        """Slug and hash of the content: ``n70m-r0.30-s1-3f9c2a1b``."""
        document = to_dict(self)
        document.pop("slug")
        for part, names in LATER_FIELDS.items():
            if document[part] is None:
                continue
            default = {item.name: _default(item) for item in dataclasses.fields(getattr(self, part))}
            for name in names:
                if document[part][name] == to_dict(default[name]):
                    del document[part][name]
        # The weights count, not the place they lie at.
        if self.model.checkpoint_hash is not None:
            document["model"]["checkpoint"] = None
        return f"{self.slug}-{content_hash(document, 8)}"

    @property
    def tokens_per_step(self) -> int:
        """Training tokens of one optimizer step."""
        return self.batch * self.context

    @property
    def first_step(self) -> int:
        """Steps already behind the run when it starts."""
        return self.start.step if self.start is not None and self.start.mode == "continue" else 0

    @property
    def shares(self) -> dict[str, float]:
        """Share of tokens asked for of each corpus, over all phases of the mixture."""
        return shares_over_run(self.mixture, self.schedule.steps * self.batch)

    @property
    def r(self) -> float:
        """Domain share of tokens asked for, over all phases of the mixture."""
        return domain_share(self.mixture, self.schedule.steps * self.batch)


def _default(item: dataclasses.Field[Any]) -> Any:
    return item.default if item.default_factory is dataclasses.MISSING else item.default_factory()
