"""The model ladder: from a line of the sweep file to a network and its parameter count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dcpt.core.errors import ConfigError
from dcpt.core.run_spec import ModelSpec
from dcpt.cost.flops import training_flops_per_token
from dcpt.cost.parameters import count_parameters, has_closed_form, non_embedding
from dcpt.sweep.checkpoints import HASHES, read_config
from dcpt.sweep.count import count_by_trainer
from dcpt.sweep.model_settings import ModelSettings, PretrainingSettings, SizeSettings

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
    pretraining : PretrainingSettings
        What is known of a checkpoint's past.
    """

    name: str
    model: ModelSpec
    parameters: dict[str, int]
    flops_per_token: float
    seeds: tuple[int, ...] | None
    rate: float
    pretraining: PretrainingSettings = field(default_factory=PretrainingSettings)

    @property
    def layers(self) -> int | None:
        """Decoder layers, where the configuration says them."""
        found = next((self.model.config[name] for name in _LAYERS if name in self.model.config), None)
        return int(found) if isinstance(found, int) else None

    @property
    def N(self) -> int:
        """Non-embedding parameters."""
        return non_embedding(self.parameters)


def build_rungs(
    sizes: Sequence[SizeSettings],
    settings: ModelSettings,
    vocab_size: int,
    eos_id: int,
    folders: Mapping[str, Path],
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
    folders : mapping of str to path
        Sizes that are checkpoints to the folders these lie in.
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
    models = {
        size.name: (
            _from_checkpoint(size, folders[size.name], vocab_size, root)
            if size.checkpoint is not None
            else _drawn(size, settings, vocab_size, eos_id)
        )
        for size in sizes
    }
    for size in sizes:
        _check_fits(size, models[size.name], settings, vocab_size)
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
    past = size.pretraining or PretrainingSettings()
    return Rung(size.name, model, parameters, flops, size.seeds, size.rate, past)


def _drawn(size: SizeSettings, settings: ModelSettings, vocab_size: int, eos_id: int) -> ModelSpec:
    if size.config is not None:
        config = {"vocab_size": vocab_size, "max_position_embeddings": settings.context, **size.config}
        return ModelSpec(settings.family, config)
    return ModelSpec(settings.family, _shape(size, settings, vocab_size, eos_id))


def _check_fits(size: SizeSettings, model: ModelSpec, settings: ModelSettings, vocab_size: int) -> None:
    """Refuse a network that cannot read the sweep's tokens or its context."""
    if int(model.config.get("vocab_size", vocab_size)) < vocab_size:
        raise ConfigError(
            f"size {size.name!r}: its vocabulary of {model.config['vocab_size']} is smaller than the "
            f"tokenizer's {vocab_size}.",
            hint="use the checkpoint's own tokenizer: tokenizer: {kind: hf, path: ...}",
        )
    positions = model.config.get("max_position_embeddings") or model.config.get("n_positions")
    if positions is not None and positions < settings.context:
        raise ConfigError(
            f"size {size.name!r}: it reads {positions} positions; the sweep's context is {settings.context}."
        )


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


def _from_checkpoint(size: SizeSettings, folder: Path, vocab_size: int, root: Path) -> ModelSpec:
    config = read_config(size, folder)
    # Inside the sweep's folder it moves with it. A run's id depends on the weights, not on their place.
    own = root.resolve()
    place = folder.relative_to(own) if folder.is_relative_to(own) else folder
    return ModelSpec(
        str(config["model_type"]),
        {**config, "vocab_size": config.get("vocab_size", vocab_size)},
        place.as_posix(),
        HASHES.of(folder),
    )
