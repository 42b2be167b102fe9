"""How far from the fitted curves a prediction is still trusted."""

FAR = 3.0
"""Times the largest fitted forward area beyond which a prediction is doubted."""

SLACK = 1.05
"""Ratio from which a size, a share or a highest rate counts as another one than those fitted. For rates:
laws fitted across four peaks at once erred ten times as much as one at a time."""

CPT_PEAK = "cpt_peak"
"""Constant of a curve: highest rate of continual pre-training; that of the history may be the base's."""
