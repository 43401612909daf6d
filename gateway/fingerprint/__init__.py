"""What a device gives away unasked, kept as keyed hashes, and which former device it looks like. Never a credential."""
