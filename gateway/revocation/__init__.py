"""Forgetting a device, a session or an account everywhere at once, and knowing when that is certain."""
