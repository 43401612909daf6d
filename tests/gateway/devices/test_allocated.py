"""Countries from the first start on, by what the registries have allocated."""

import pytest

from latchstring_gateway.clock import SystemClock
from latchstring_gateway.devices import allocated


@pytest.mark.parametrize(
    ("address", "country"),
    [
        ("193.0.6.139", "NL"),
        ("2001:67c:2e8::1", "NL"),
        ("8.8.8.8", "US"),
        ("200.3.14.10", "UY"),
        ("10.0.0.1", None),
        ("::1", None),
        ("no address", None),
    ],
)
def test_the_country_of_an_address_in_either_family(address: str, country: str | None) -> None:
    """Of addresses that are given out; a private one is nowhere."""
    assert allocated.country(address) == country


def test_the_data_tell_their_age() -> None:
    """By the bill of materials in the package: after the release that is the least we take, and not in the future."""
    made_at_ms = allocated.made_at_ms()

    assert made_at_ms is not None
    assert 1_780_000_000_000 < made_at_ms < SystemClock().wall_ms()
