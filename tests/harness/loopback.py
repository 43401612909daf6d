"""HTTP clients for servers of this machine, made quickly."""

import ssl
from typing import Any, Final

import httpx

# httpx makes one for each client otherwise: 16 ms of CPU, also where nothing is encrypted.
_SHARED: Final = ssl.create_default_context()


def loopback(**more: Any) -> httpx.AsyncClient:
    """A client as `httpx.AsyncClient(**more)` makes it; the caller closes it."""
    return httpx.AsyncClient(verify=_SHARED, **more)
