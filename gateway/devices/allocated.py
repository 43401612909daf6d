"""The country to which an address was allocated, by the registries' statistics inside the package iptocc.

So there are countries from the first start on, without a file, an account or a request to anybody. It is where the
address was registered, which is where it is used for 19 of 20 addresses of IPv4 (docs/places.md).
"""

import json
from datetime import datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from typing import Final

import iptocc

PACKAGE: Final = "iptocc"


def country(address: str) -> str | None:
    """The code that the registry wrote (mostly ISO 3166-1 alpha-2), in 0.05 µs; None if none is known."""
    return iptocc.country_code(address)


@cache
def made_at_ms() -> int | None:
    """When the package was made, by the bill of materials in it (PEP 770): so old are its data; None without one."""
    try:
        files = distribution(PACKAGE).files or []
        bill = next(file for file in files if file.match("*.dist-info/sboms/*.json"))
        made = datetime.fromisoformat(json.loads(bill.read_text())["metadata"]["timestamp"])
    except (PackageNotFoundError, StopIteration, OSError, ValueError, KeyError, TypeError):
        return None
    return round(made.timestamp() * 1_000)
