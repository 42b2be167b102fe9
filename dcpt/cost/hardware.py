"""Named hardware: what it can do at best, and the share of it that training gets."""

from __future__ import annotations

from dataclasses import dataclass

from dcpt.core.errors import ConfigError


@dataclass(frozen=True)
class Hardware:
    """A device that FLOPs are turned into hours with.

    Parameters
    ----------
    name : str
        Name in a sweep file.
    peak_flops : float
        Dense matrix FLOP/s of one device at best.
    utilisation : tuple of float
        Low, likely and high share of the peak that training reaches.
    source : str
        Where the numbers come from.
    """

    name: str
    peak_flops: float
    utilisation: tuple[float, float, float]
    source: str

    def hours(self, flops: float) -> tuple[float, float, float]:
        """Device hours for `flops`: at the high, likely and low utilisation, so shortest first."""
        low, likely, high = self.utilisation
        return (
            flops / (self.peak_flops * high) / 3600,
            flops / (self.peak_flops * likely) / 3600,
            flops / (self.peak_flops * low) / 3600,
        )


HARDWARE: dict[str, Hardware] = {
    item.name: item
    for item in (
        Hardware(
            "cpu-core",
            190e9,
            (0.12, 0.32, 0.55),
            "fp32 matrix products on one AVX-512 server core: 190 GFLOP/s; decoders of 0.05M to 5M "
            "parameters train at 35 to 100 GFLOP/s there",
        ),
        Hardware("a100", 312e12, (0.25, 0.35, 0.50), "NVIDIA A100 datasheet, dense bf16"),
        Hardware("h100", 989e12, (0.25, 0.35, 0.45), "NVIDIA H100 SXM datasheet, dense bf16"),
        Hardware("h200", 989e12, (0.25, 0.35, 0.45), "NVIDIA H200 SXM datasheet, dense bf16"),
    )
}


def get_hardware(name: str) -> Hardware:
    """The hardware of that name.

    Raises
    ------
    ConfigError
        When there is none; the message lists the known names.
    """
    try:
        return HARDWARE[name]
    except KeyError:
        raise ConfigError(f"hardware: {name!r} is unknown; known are {', '.join(HARDWARE)}.") from None
