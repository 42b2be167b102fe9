"""A tokenised corpus in one line: its tokens, and what of its held-out text was trained on."""

from __future__ import annotations

from typing import Any

from dcpt.core.quantity import format_quantity


def held_out(corpus: Any) -> str:
    """Held-out tokens of a `Corpus`, and how much of them stands in training text."""
    leakage = corpus.leakage
    parts = [f"{format_quantity(corpus.heldout.tokens)} held out"]
    if leakage.overlap is not None:
        shares = f"{100 * leakage.overlap:.1f} % of held-out {leakage.words}-grams also in train"
        if leakage.overlap_others is not None:
            shares += f", {100 * leakage.overlap_others:.1f} % in the other corpora's"
        parts.append(shares)
    return ", ".join(parts)


def leakage_of(corpus: Any) -> dict[str, Any]:
    """The same as JSON values."""
    leakage = corpus.leakage
    return {
        "words": leakage.words,
        "overlap": leakage.overlap,
        "overlap_others": leakage.overlap_others,
        "duplicates_removed": leakage.duplicates_removed,
    }
