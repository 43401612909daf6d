"""From journal to warehouse: read closed segments, judge and enrich hits, write Parquet, commit."""
