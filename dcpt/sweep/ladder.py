"""The model ladder: from a line of the sweep file to a network and its parameter count."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcpt.core import files
from dcpt.core.errors import ConfigError
from dcpt.core.run_spec import ModelSpec
from dcpt.cost.flops import training_flops_per_token
from dcpt.cost.parameters import count_parameters, has_closed_form, non_embedding
from dcpt.sweep.count import count_by_trainer
from dcpt.sweep.spec import ModelSettings, SizeSettings

_LAYERS = ("num_hidden_layers", "n_layer", "num_layers")
_HIDDEN = ("hidden_size", "n_embd", "d_model")


@dataclass(frozen=True)
class Rung:
    """One size of the ladder.

    Attributes
    ----------
    name : str
        Name of the size.
    model : ModelSpec
        The network.
    parameters : dict of str to int
        Parameters by component.
    flops_per_token : float
        Training FLOPs per token.
    seeds : tuple of int or None
        Seeds of this size, None for the sweep's.
    rate : float
        Factor on the sweep's peak learning rates.
    """

    name: str
    model: ModelSpec
    parameters: dict[str, int]
    flops_per_token: float
    seeds: tuple[int, ...] | None
    rate: float

    @property
    def N(self) -> int:
        """Non-embedding parameters."""
        return non_embedding(self.parameters)


def build_rungs(
    sizes: Sequence[SizeSettings],
    settings: ModelSettings,
    vocab_size: int,
    eos_id: int,
    sources: Path,
    root: Path,
) -> dict[str, Rung]:
    """Turn the sizes of the sweep file into networks.

    Parameters
    ----------
    sizes : sequence of SizeSettings
        The lines of the ladder, each name once.
    settings : ModelSettings
        Family and context length of the ladder.
    vocab_size, eos_id : int
        Of the tokenizer.
    sources : path
        Folder that relative checkpoint paths of the sweep file start from.
    root : path
        Folder of the sweep, which those of the runs start from.

    Returns
    -------
    dict of str to Rung
        By name, in the order of `sizes`.

    Raises
    ------
    ConfigError
        When a shape is impossible, or a checkpoint is absent or does not fit the tokenizer.
    """
    models = {size.name: _model(size, settings, vocab_size, eos_id, sources, root) for size in sizes}
    counts = {
        name: count_parameters(model.family, model.config)
        for name, model in models.items()
        if has_closed_form(model.family) and model.checkpoint is None
    }
    rest = {name: model for name, model in models.items() if name not in counts}
    if rest:
        counts |= count_by_trainer(rest, root)
    return {size.name: _rung(size, models[size.name], counts[size.name], settings.context) for size in sizes}


def _rung(size: SizeSettings, model: ModelSpec, parameters: dict[str, int], context: int) -> Rung:
    layers = next((int(model.config[key]) for key in _LAYERS if key in model.config), 0)
    hidden = next((int(model.config[key]) for key in _HIDDEN if key in model.config), 0)
    flops = training_flops_per_token(parameters, layers, hidden, context)
    return Rung(size.name, model, parameters, flops, size.seeds, size.rate)


def _model(
    size: SizeSettings, settings: ModelSettings, vocab_size: int, eos_id: int, sources: Path, root: Path
) -> ModelSpec:
    if size.checkpoint is not None:
        model = _from_checkpoint(size, vocab_size, sources, root)
    elif size.config is not None:
        config = {"vocab_size": vocab_size, "max_position_embeddings": settings.context, **size.config}
        model = ModelSpec(settings.family, config)
    else:
        model = ModelSpec(settings.family, _shape(size, settings, vocab_size, eos_id))
    if int(model.config.get("vocab_size", vocab_size)) < vocab_size:
        raise ConfigError(
            f"size {size.name!r}: its vocabulary of {model.config['vocab_size']} is smaller than the "
            f"tokenizer's {vocab_size}.",
            hint="use the checkpoint's own tokenizer: tokenizer: {kind: hf, path: ...}",
        )
    positions = model.config.get("max_position_embeddings", settings.context)
    if positions < settings.context:
        raise ConfigError(
            f"size {size.name!r}: it reads {positions} positions; the sweep's context is {settings.context}."
        )
    return model


def _shape(size: SizeSettings, settings: ModelSettings, vocab_size: int, eos_id: int) -> dict[str, Any]:
    if settings.family != "llama":
        raise ConfigError(
            f"size {size.name!r}: hidden and layers describe a llama shape; "
            f"the family is {settings.family!r}.",
            hint="give the fields of its configuration under config:",
        )
    assert size.hidden is not None
    assert size.layers is not None
    if size.hidden % 2:
        raise ConfigError(f"size {size.name!r}: hidden is {size.hidden}; wanted an even number.")
    heads = size.heads or _default_heads(size.hidden)
    if size.hidden % heads or (size.hidden // heads) % 2:
        raise ConfigError(
            f"size {size.name!r}: hidden {size.hidden} does not split into {heads} heads of even width."
        )
    # Width of the gated MLP: 8/3 of the hidden width, as in Llama, rounded to a multiple of 32.
    inner = size.inner or max(32, round(size.hidden * 8 / 3 / 32) * 32)
    return {
        "vocab_size": vocab_size,
        "hidden_size": size.hidden,
        "intermediate_size": inner,
        "num_hidden_layers": size.layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "max_position_embeddings": settings.context,
        "tie_word_embeddings": False,
        "bos_token_id": None,
        "eos_token_id": eos_id,
    }


def _default_heads(hidden: int) -> int:
    """The most heads that are at least 24 wide (and of even width, for the rotary embedding)."""
    fitting = [
        n for n in range(1, hidden + 1) if hidden % n == 0 and hidden // n >= 24 and hidden // n % 2 == 0
    ]
    return max(fitting, default=1)


def _from_checkpoint(size: SizeSettings, vocab_size: int, sources: Path, root: Path) -> ModelSpec:
    folder = (sources / str(size.checkpoint)).resolve()
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        family = str(config["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"size {size.name!r}: {path} is not a readable transformers configuration "
            f"({type(error).__name__}: {error}).",
            hint="wanted a local folder written by save_pretrained; download hub models first",
        ) from None
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ConfigError(
            f"size {size.name!r}: {folder} holds no .safetensors weights.",
            hint="save the model with save_pretrained(..., safe_serialization=True)",
        )
    digest = files.content_hash([[path.name, files.file_hash(path)] for path in weights])
    # Inside the sweep's folder it moves with it. A run's id depends on the weights, not on their place.
    own = root.resolve()
    place = folder.relative_to(own) if folder.is_relative_to(own) else folder
    return ModelSpec(
        family, {**config, "vocab_size": config.get("vocab_size", vocab_size)}, place.as_posix(), digest
    )
