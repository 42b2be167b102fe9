"""A budget spent: which model size, how many tokens and which share together, and replay against size."""
