"""One training run, written down: everything its losses depend on and nothing else."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from dcpt.core.errors import ConfigError
from dcpt.core.files import content_hash
from dcpt.core.mixture import MixtureSpec
from dcpt.core.schedule import Schedule

SCHEMA_VERSION = 1

LATER_FIELDS: dict[str, tuple[str, ...]] = {
    "mixture": ("weights", "reweighting"),
    "schedule": (
        "warmup_from", "milestones", "factors", "cooldown", "cooldown_shape", "plateau", "anneal", "knots",
    ),
    "evaluation": ("dense_sequences",),
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
    """

    family: str
    config: Mapping[str, Any] = field(default_factory=dict)
    checkpoint: str | None = None
    checkpoint_hash: str | None = None


@dataclass(frozen=True)
class CorpusRef:
    """A tokenised corpus by name and content hash; it lies at ``ROOT/corpus/<name>``."""

    name: str
    role: Literal["general", "domain"]
    hash: str


@dataclass(frozen=True)
class OptimizerSpec:
    """AdamW and gradient clipping; matrices are decayed, vectors are not."""

    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-8
    weight_decay: float = 0.1
    clip: float = 1.0


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
    """

    run_id: str
    step: int
    mode: Literal["weights", "continue"]


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

    @property
    def run_id(self) -> str:
        """Slug and hash of the content: ``n70m-r0.30-s1-3f9c2a1b``."""
        document = to_dict(self)
        document.pop("slug")
        for part, names in LATER_FIELDS.items():
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
    def r(self) -> float:
        """Domain share of tokens asked for."""
        return self.mixture.r


def _default(item: dataclasses.Field[Any]) -> Any:
    return item.default if item.default_factory is dataclasses.MISSING else item.default_factory()


def to_dict(spec: Any) -> Any:
    """A spec as plain JSON values."""
    if dataclasses.is_dataclass(spec) and not isinstance(spec, type):
        return {item.name: to_dict(getattr(spec, item.name)) for item in dataclasses.fields(spec)}
    if isinstance(spec, Mapping):
        return {str(key): to_dict(value) for key, value in spec.items()}
    if isinstance(spec, (list, tuple)):
        return [to_dict(value) for value in spec]
    return spec


Spec = TypeVar("Spec")


def from_dict(kind: type[Spec], document: Any, where: str) -> Spec:
    """Build a spec from plain JSON values; unknown, missing or mistyped fields are refused.

    Parameters
    ----------
    kind : type
        The dataclass to build.
    document : object
        Parsed JSON.
    where : str
        File or place named in the error message.

    Raises
    ------
    ConfigError
        Naming the field, what was found and what was wanted.
    """
    return typing.cast(Spec, _build(kind, document, where))


def _build(kind: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(kind)
    arguments = typing.get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}: got {value!r}; wanted the fields of a {kind.__name__}.")
        hints = typing.get_type_hints(kind)
        known = {item.name: item for item in dataclasses.fields(kind)}
        unknown = sorted(set(value) - set(known))
        if unknown:
            raise ConfigError(f"{where}: unknown field {unknown[0]!r}; known are {', '.join(known)}.")
        for name, item in known.items():
            required = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
            if required and name not in value:
                raise ConfigError(f"{where}: field {name!r} is missing.")
        return kind(**{name: _build(hints[name], value[name], f"{where}.{name}") for name in value})
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _build(next(a for a in arguments if a is not type(None)), value, where)
    if origin is Literal:
        if value not in arguments:
            raise ConfigError(f"{where}: got {value!r}; wanted one of {', '.join(map(str, arguments))}.")
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{where}: got {value!r}; wanted a list.")
        kinds = arguments if arguments[-1] is not Ellipsis else arguments[:1] * len(value)
        if len(kinds) != len(value):
            raise ConfigError(f"{where}: got {value!r}; wanted {len(kinds)} values.")
        pairs = enumerate(zip(kinds, value, strict=True))
        return tuple(_build(wanted, item, f"{where}[{index}]") for index, (wanted, item) in pairs)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}: got {value!r}; wanted a mapping.")
        return {str(key): _build(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if kind is Any:
        return value
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise ConfigError(f"{where}: got {value!r}; wanted {kind.__name__}.")
