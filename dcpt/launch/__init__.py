"""From a plan to the full run, and from its log back to the plan: predicted against measured."""
