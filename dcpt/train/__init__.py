"""Training: one process, one run after another, each a pure function of its spec.

Nothing imports this package; it is started as ``python -m dcpt.train``.
"""
