"""Tokens: one format for every signed thing (codec), what each may say (purposes), and the keys (keyring, rotation)."""
