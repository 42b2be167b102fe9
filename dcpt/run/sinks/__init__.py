"""Mirrors of the runs' journals in experiment trackers; the journals stay the truth."""
