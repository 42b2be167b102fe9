"""Decisions about the schedule of continual pre-training, from fitted laws of loss curves."""
