"""Text to tokens on disk, and exact mixtures of them."""
