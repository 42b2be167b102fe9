"""From fitted laws and an objective to a ratio: how much replay, how sure, and what it costs."""
