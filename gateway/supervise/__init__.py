"""Keeps the processes of a node running: store, workers, shippers, housekeeping, hooks; none outlives the others."""
