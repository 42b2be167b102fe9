"""The network of a run: a `transformers` causal language model, from a configuration or a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

from dcpt.core.checkpoint_files import weights_hash
from dcpt.core.errors import ConfigError, DataError
from dcpt.core.run_spec import ModelSpec
from dcpt.train.causality import check_causal, check_causal_by_stand_in
from dcpt.train.family import check_family

# Written by save_pretrained beside the fields of a configuration; no arguments of it. auto_map names Python
# code of a checkpoint's own, which is never run.
_NOT_FIELDS = (
    "model_type",
    "architectures",
    "transformers_version",
    "torch_dtype",
    "dtype",
    "_name_or_path",
    "auto_map",
)

_ATTENTION_WORDS = ("attn", "attention")
_MLP_WORDS = ("mlp", "feed_forward", "ffn", "experts", "moe", "fc1", "fc2")


def quiet_transformers() -> None:
    """Leave the log of a worker to what matters: no advice, no progress bars."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


def read_config(model: ModelSpec, folder: Path | None = None) -> PreTrainedConfig:
    """The `transformers` configuration of a model, with every dropout set to 0.

    Parameters
    ----------
    model : ModelSpec
        Family and fields.
    folder : Path, optional
        Folder with a ``config.json`` that is read instead of the fields.

    Raises
    ------
    ConfigError
        When the family is unknown to this `transformers` or refuses the fields.
    """
    check_family(model.family, folder)
    try:
        if folder is not None:
            config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        else:
            # Looks the family up among the classes of transformers: no code of others can come in.
            fields = {key: value for key, value in model.config.items() if key not in _NOT_FIELDS}
            config = AutoConfig.for_model(model.family, **_plain(fields))
    except Exception as error:  # configurations check themselves, each with exceptions of its own
        if "trust_remote_code" in str(error):
            raise ConfigError(
                f"{folder}: asks for Python code of its own to be run, which never happens.",
                hint="use a checkpoint of a family that transformers has itself",
            ) from None
        where = folder if folder is not None else f"model family {model.family!r}"
        raise ConfigError(f"{where}: no usable model configuration ({_one_line(error)}).") from None
    if config.model_type != model.family:
        raise ConfigError(f"{folder}: holds a {config.model_type!r} model; the run wants {model.family!r}.")
    for name, value in vars(config).items():
        if "drop" in name and isinstance(value, float):
            setattr(config, name, 0.0)
    return config


def draw_model(config: PreTrainedConfig, seed: int) -> PreTrainedModel:
    """A network with weights drawn from `seed`: on the CPU in fp32, so the same for every device.

    Raises
    ------
    ConfigError
        When the configuration describes no buildable causal language model.
    """
    torch.manual_seed(seed)
    network = _build(config).float()
    check_causal(network)
    return network


def load_model(model: ModelSpec, folder: Path) -> PreTrainedModel:
    """A network from a local checkpoint folder, in fp32.

    Raises
    ------
    DataError
        When the folder is absent, its weights or configuration are not those the spec was made with, or
        some of the network's weights are not in it.
    ConfigError
        When its family is unknown, needs code of its own, or is not causal.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected a transformers checkpoint.")
    if model.checkpoint_hash is not None:
        found = weights_hash(folder)
        if found != model.checkpoint_hash:
            raise DataError(
                f"{folder}: the hash of the weights is {found}; the run wants {model.checkpoint_hash}.",
                hint="the checkpoint was changed since the sweep was set up: set it up again",
            )
    config = read_config(model, folder)
    _check_fields(model, folder)
    try:
        network, report = AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise DataError(f"{folder}: the weights cannot be read ({_one_line(error)}).") from None
    absent = sorted(report["missing_keys"]) + sorted(str(key) for key in report["mismatched_keys"])
    if absent:
        raise DataError(f"{folder}: the weights lack {absent[0]} ({len(absent)} tensors of the network).")
    # Loaded tensors may lie in a mapped file at any address; a copy makes the arithmetic the same as
    # after a resume.
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.data = parameter.data.clone()
    check_causal(network)
    return network


def _check_fields(model: ModelSpec, folder: Path) -> None:
    """Refuse a configuration that was changed beside weights that were not: it is part of what a run is."""
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return  # what cannot be read is said by transformers
    for name, wanted in model.config.items():
        if name in found and name not in _NOT_FIELDS and found[name] != _plain(wanted):
            raise DataError(
                f"{folder / 'config.json'}: {name} is {found[name]!r}; the run wants {_plain(wanted)!r}.",
                hint="the checkpoint was changed since the sweep was set up: set it up again",
            )


def count_parameters(network: PreTrainedModel) -> dict[str, int]:
    """Parameters by component; a tied head counts 0, position embeddings count as embedding.

    Returns
    -------
    dict of str to int
        embedding, attention, mlp, norm, head, other.
    """
    counts = dict.fromkeys(("embedding", "attention", "mlp", "norm", "head", "other"), 0)
    head = network.get_output_embeddings()
    for name, parameter in network.named_parameters():
        path = name.rpartition(".")[0]
        counts[_component(path, network.get_submodule(path), head)] += parameter.numel()
    return counts


def count_on_meta(model: ModelSpec) -> dict[str, int]:
    """Parameters by component of a model that is described but not built (see `count_parameters`)."""
    with torch.device("meta"):
        return count_parameters(_build(read_config(model, _folder(model))))


def check_described(model: ModelSpec) -> None:
    """Refuse a model that is described but not built when its family is not causal.

    Raises
    ------
    ConfigError
        As `read_config`, or when a small network of the same configuration is not causal.
    """
    check_causal_by_stand_in(read_config(model, _folder(model)))


def head_size(network: PreTrainedModel) -> int:
    """Parameters of the output head's matrix, tied or not."""
    head = network.get_output_embeddings()
    return 0 if head is None else int(head.weight.numel())


def _folder(model: ModelSpec) -> Path | None:
    return Path(model.checkpoint) if model.checkpoint is not None else None


def _component(path: str, owner: nn.Module, head: nn.Module | None) -> str:
    parts = path.lower().split(".")
    if isinstance(owner, nn.Embedding):
        return "embedding"
    if owner is head:
        return "head"
    if "norm" in type(owner).__name__.lower():
        return "norm"
    if any(word in part for part in parts for word in _ATTENTION_WORDS):
        return "attention"
    if any(word in part for part in parts for word in _MLP_WORDS):
        return "mlp"
    return "other"


def _build(config: PreTrainedConfig) -> PreTrainedModel:
    try:
        return AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except Exception as error:  # as above; the cause stays attached, since it may be a lack of memory
        if "Unrecognized configuration class" in str(error):  # what follows is a list of all others
            raise ConfigError(
                f"model family {config.model_type!r}: transformers has no causal language model of it.",
                hint="choose a causal family such as llama",
            ) from None
        raise ConfigError(
            f"model family {config.model_type!r}: cannot be built ({_one_line(error)})."
        ) from error


def _plain(value: Any) -> Any:
    """Read-only mappings and tuples of a frozen spec as the dicts and lists `transformers` expects."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
