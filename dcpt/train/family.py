"""Model families: those `transformers` has itself, and what to say of the others."""

from __future__ import annotations

import difflib
import json
from pathlib import Path

import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from dcpt.core.errors import ConfigError


def check_family(family: str, folder: Path | None = None) -> None:
    """Refuse a family that the installed `transformers` has no code for.

    Parameters
    ----------
    family : str
        ``model_type`` of the configuration.
    folder : Path, optional
        Checkpoint folder the family stands in.

    Raises
    ------
    ConfigError
        Naming the families with similar names, or the checkpoint's own code as what is not run.
    """
    if family in CONFIG_MAPPING:
        return
    if folder is not None and _brings_code(folder):
        raise ConfigError(
            f"{folder}: model family {family!r} is Python code of the checkpoint's own, which is never run.",
            hint=f"use a checkpoint of a family that transformers {transformers.__version__} has itself",
        )
    causal = [name for name in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES if name in CONFIG_MAPPING]
    near = difflib.get_close_matches(family, causal, n=3, cutoff=0.6)
    where = f"{folder}: " if folder is not None else ""
    raise ConfigError(
        f"{where}transformers {transformers.__version__} has no model family {family!r}.",
        hint=f"did you mean {' or '.join(near)}?" if near else "llama, gpt_neox and qwen3 are some it has",
    )


def _brings_code(folder: Path) -> bool:
    try:
        return "auto_map" in json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False
