"""The model ladder as a sweep file has it: shapes, configurations, or checkpoints, local or from a hub."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from dcpt.core.errors import ConfigError
from dcpt.core.schedule_text import parse_schedule
from dcpt.core.settings import Settings
from dcpt.sweep.schedule_settings import Positive


class PretrainingSettings(Settings):
    """What is known of how a checkpoint was pre-trained.

    `tokens` it has seen, and the learning rates it was trained with, as text (``wsd(peak=3e-4,
    steps=100000, warmup=1000, decay=20000)``): laws of loss curves then know its annealing and its areas.
    """

    tokens: Positive | None = None
    schedule: str | None = None

    @field_validator("schedule")
    @classmethod
    def _readable(cls, text: str | None) -> str | None:
        return None if text is None else parse_schedule(text).text


class SizeSettings(Settings):
    """One rung of the model ladder: a Llama-type shape, a configuration, or a checkpoint.

    Give `hidden` and `layers` for a shape of the sweep's family, `config` for any fields of the
    family's `transformers` configuration, or `checkpoint` for weights of one's own: a local folder, or a
    model of the Hugging Face hub (``org/name``, at a `revision`). A checkpoint without a name has that of
    its folder or model; `pretraining` says what is known of its past.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._]+$")] = ""
    hidden: Annotated[int, Field(gt=0)] | None = None
    layers: Annotated[int, Field(gt=0)] | None = None
    heads: Annotated[int, Field(gt=0)] | None = None
    inner: Annotated[int, Field(gt=0)] | None = None
    config: dict[str, Any] | None = None
    checkpoint: Annotated[str, Field(min_length=1)] | None = None
    revision: Annotated[str, Field(min_length=1)] | None = None
    pretraining: PretrainingSettings | None = None
    seeds: tuple[int, ...] | None = None
    rate: Annotated[float, Field(gt=0)] = 1.0

    @model_validator(mode="after")
    def _one_way(self) -> SizeSettings:
        if not self.name and self.checkpoint is not None:
            object.__setattr__(self, "name", _name_of(self.checkpoint))
        if not self.name:
            raise ConfigError("a size has no name.", "{name: n70m, hidden: 512, layers: 6}")
        ways = [
            self.hidden is not None or self.layers is not None,
            self.config is not None,
            self.checkpoint is not None,
        ]
        if sum(ways) != 1:
            raise ConfigError(
                f"size {self.name!r}: wanted exactly one of hidden and layers, config, or checkpoint."
            )
        if ways[0] and (self.hidden is None or self.layers is None):
            raise ConfigError(f"size {self.name!r}: hidden and layers go together.")
        for key in ("revision", "pretraining"):
            if getattr(self, key) is not None and not ways[2]:
                raise ConfigError(f"size {self.name!r}: {key} is for checkpoints, and it is none.")
        return self


def _name_of(checkpoint: str) -> str:
    """Name of a checkpoint's folder or model. Runs are called after it, and "-" sets its parts apart."""
    last = checkpoint.rstrip("/").rpartition("/")[2]
    return re.sub(r"[^A-Za-z0-9._]+", "_", last).strip("_.") or "checkpoint"


class ModelSettings(Settings):
    """The model ladder. With `download`, checkpoints of the hub that are not on this machine are fetched."""

    family: str = "llama"
    context: Annotated[int, Field(ge=8)] = 128
    sizes: Annotated[tuple[SizeSettings, ...], Field(min_length=1)]
    download: bool = False

    @field_validator("sizes")
    @classmethod
    def _names(cls, sizes: tuple[SizeSettings, ...]) -> tuple[SizeSettings, ...]:
        names = [size.name for size in sizes]
        if len(set(names)) < len(names):
            raise ConfigError(f"size names repeat: {', '.join(names)}.", "give each size a name of its own")
        return sizes
