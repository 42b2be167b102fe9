"""Runs of one shape trained together: every weight with a leading axis of replicas."""
