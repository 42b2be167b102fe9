"""Runs as folders, and the executors that bring them to their end."""
