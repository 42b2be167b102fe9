"""Which runs to buy next where the fits are of loss curves, whose laws see the schedule of every run."""
