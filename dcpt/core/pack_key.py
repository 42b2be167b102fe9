"""Which runs can be trained together in one process, as one model with a leading axis of replicas."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from dcpt.core.files import content_hash
from dcpt.core.run_spec import RunSpec, to_dict

FAMILIES = ("llama",)
"""Families the packed decoder knows."""

# Part of a spec to the fields the packed loop knows; a run that sets any other one is trained alone.
_KNOWN: dict[str, tuple[str, ...]] = {
    "": (
        "slug", "kind", "size", "model", "corpora", "tokenizer_hash", "mixture", "context", "batch",
        "schedule", "optimizer", "evaluation", "seed", "tokens_before", "start", "keep",
    ),
    "model": ("family", "config", "checkpoint", "checkpoint_hash", "pretraining"),
    "optimizer": ("beta1", "beta2", "eps", "weight_decay", "clip", "interpolation", "on_spike"),
    "start": ("run_id", "step", "mode", "optimizer"),
}  # fmt: skip

# What runs of a pack may differ in: data, seed, tokens before, and the checkpoints they leave.
_FREE = ("slug", "mixture", "seed", "tokens_before", "keep")


def pack_key(spec: RunSpec) -> str | None:
    """Hash that runs share when they can be trained together; None for a run that is trained alone.

    Runs of one key have the same network, corpora, context, batch, schedule, optimizer, evaluations, kind and
    step to start at. They may differ in mixture, seed and the weights they start from.

    Parameters
    ----------
    spec : RunSpec
        The run.
    """
    parts = {"": spec, "model": spec.model, "optimizer": spec.optimizer, "start": spec.start}
    if spec.model.family not in FAMILIES or spec.schedule.steps <= spec.first_step:
        return None
    for name, part in parts.items():
        if part is not None and any(key not in _KNOWN[name] for key in _changed(part)):
            return None
    document: dict[str, Any] = {
        key: value for key, value in to_dict(spec).items() if key in _KNOWN[""] and key not in _FREE
    }
    if isinstance(document["start"], Mapping):
        document["start"] = {key: value for key, value in document["start"].items() if key != "run_id"}
        # The configuration says what the network is; the weights come from the parent.
        document["model"] = {**document["model"], "checkpoint": None}
    return content_hash(document, 16)


def _changed(part: Any) -> list[str]:
    """Fields of a part of a spec that are not at their default; those without one count as changed."""
    names = []
    for item in dataclasses.fields(part):
        default = item.default
        if item.default_factory is not dataclasses.MISSING:
            default = item.default_factory()
        if default is dataclasses.MISSING or to_dict(getattr(part, item.name)) != to_dict(default):
            names.append(item.name)
    return names
