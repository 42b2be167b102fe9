"""What a visit to a GPU measures, in order of importance, and how long each part may take."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Stage:
    """One part, in a process of its own.

    Parameters
    ----------
    name : str
        What it is called.
    kind : {"paths", "packs", "mfu"}
        What measures it (see `benchmarks.gpu.part`).
    seconds : float
        It is ended after so long; what it has found by then counts.
    options : dict
        Of the kind.
    environment : dict
        Variables of its process.
    """

    name: str
    kind: str
    seconds: float
    options: dict[str, object] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


def _packs(shape: str, seconds: float, name: str = "", **options: object) -> Stage:
    return Stage(f"packs of {shape}{name}", "packs", seconds, {"shape": shape, **options})


_LARGE = {"batch": 128, "steps": 200, "every": 100}

# What torch may prefer on a GPU of this generation, and what it used before.
_NO_CUDNN = {"TORCH_CUDNN_SDPA_PREFERRED": "0"}
_CUDNN = {"TORCH_CUDNN_SDPA_PREFERRED": "1"}

STAGES: tuple[Stage, ...] = (
    Stage("paths", "paths", 170),
    Stage(
        "mfu of 350M", "mfu", 200,
        {"flags": [["--compile", "--micro-batch", "16"], ["--micro-batch", "8"]]},
    ),
    _packs("5M", 150),
    _packs("1M", 120),
    _packs("20M", 180, steps=500),
    _packs("1M", 100, ", fp32", precision="fp32", steps=400, every=100, trainer=False),
    Stage(
        "mfu of 350M, more sequences a pass", "mfu", 190,
        {"flags": [["--compile", "--micro-batch", "32"]]},
    ),
    Stage(
        "mfu of 350M, cuDNN attention", "mfu", 190,
        {"flags": [["--compile", "--micro-batch", "16"]]}, _CUDNN,
    ),
    Stage(
        "mfu of 350M, flash attention", "mfu", 190,
        {"flags": [["--compile", "--micro-batch", "16"]]}, _NO_CUDNN,
    ),
    Stage("mfu of 350M, not compiled", "mfu", 150, {"flags": [["--micro-batch", "16"]]}),
    _packs("5M", 150, ", compiled", compiled="on", trainer=False),
    _packs("20M", 180, ", compiled", compiled="on", trainer=False, steps=500),
    _packs("1M", 150, ", steps of 32k tokens", **_LARGE),
    _packs("5M", 180, ", steps of 32k tokens", **_LARGE),
    _packs("20M", 240, ", steps of 32k tokens", **_LARGE),
)  # fmt: skip
