"""Faults put into a running installation, and what became of every event meanwhile."""
