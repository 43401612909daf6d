"""Free trials: who has had which, told by keyed hashes of what people and devices go by."""
