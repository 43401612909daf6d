"""Fixtures for every test; each is explained where it is made."""

import os

from hypothesis import settings

from harness.evidence import evidence
from harness.valkey import own_valkey, store_client, store_server, store_url

__all__ = ["evidence", "own_valkey", "store_client", "store_server", "store_url"]

# A detector beside every worker of a test would take longer to start than most tests to run.
os.environ["LATCHSTRING_SECOND_LOOK"] = "false"

# How long an example takes says how busy the machine is.
settings.register_profile("latchstring", deadline=None)
settings.load_profile("latchstring")
