"""A law for dcpt from outside."""
