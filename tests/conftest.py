"""Fixtures for every test; each is explained where it is made."""

from hypothesis import settings

from harness.evidence import evidence
from harness.valkey import own_valkey, store_client, store_server, store_url

__all__ = ["evidence", "own_valkey", "store_client", "store_server", "store_url"]

# How long an example takes says how busy the machine is.
settings.register_profile("latchstring", deadline=None)
settings.load_profile("latchstring")
