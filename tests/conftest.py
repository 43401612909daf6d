"""Fixtures for every test; each is explained where it is made."""

from harness.evidence import evidence
from harness.valkey import own_valkey, store_client, store_server, store_url

__all__ = ["evidence", "own_valkey", "store_client", "store_server", "store_url"]
