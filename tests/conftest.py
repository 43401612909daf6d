"""Fixtures for every test; each is explained where it is made."""

from harness.valkey import own_valkey, store_client, store_server, store_url

__all__ = ["own_valkey", "store_client", "store_server", "store_url"]
