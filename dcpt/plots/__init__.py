"""Documented frames to matplotlib axes; nothing here knows a fit, a plan or a file."""
