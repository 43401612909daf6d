"""Keeping a warehouse small and right: compaction, retention, rollups, erasures."""
