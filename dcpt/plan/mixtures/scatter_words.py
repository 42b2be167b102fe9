"""What is known of how much runs of one mixture scatter, in words."""

from __future__ import annotations

UNKNOWN = 1e-9
"""Noise up to which none was found: predictors of a fixed form see it only in mixtures that were trained
twice, and are left with none where there are no such."""


def is_known(noise: float) -> bool:
    """Whether a plan knows the scatter of runs of one mixture at all."""
    return noise > UNKNOWN


def spell_noise(noise: float) -> str:
    """A known scatter with digits that do not round it to nothing."""
    return f"{noise:.4f}" if noise >= 5e-4 else f"{noise:.1g}"


def noise_words(noise: float) -> str:
    """The noise of a run, or that it is not known and what would tell."""
    if is_known(noise):
        return f"noise of a run {spell_noise(noise)}"
    return "noise of a run not known (mixtures trained again with other seeds would tell)"
