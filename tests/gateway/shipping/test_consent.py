"""Whose word on consent counts: our own choices, else the banner's, else the browser's signals."""

import pytest

from harness.hits import TRUSTED, pixel
from harness.people import tcf
from latchstring_gateway.beacons import payload
from latchstring_gateway.shipping.consent import Banner, Consent, Signal, banner, consent
from latchstring_gateway.shipping.enrich import Sender, Senders
from latchstring_gateway.tokens.purposes import Choices

_BOTH: frozenset[Signal] = frozenset({"gpc", "dnt"})
_YES, _NO = Choices(True, True, "1", 0), Choices(False, False, "1", 0)


def _sender(*headers: tuple[bytes, bytes]) -> Sender:
    return Senders(TRUSTED).of(payload.decode(pixel(b"", headers)))[0]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("granted", Banner(True, None)),
        ("denied", Banner(False, None)),
        (tcf({1, 8, 9}), Banner(True, False)),
        (tcf({1, 3, 7, 8, 9, 10}), Banner(True, True)),
        (tcf({8, 9}), Banner(False, False)),
        (tcf({1, 9}), Banner(False, False)),
        (tcf(()), Banner(False, False)),
        ("", None),
        ("Granted", None),
        ("1", None),
    ],
)
def test_what_a_banner_says(said: str, told: Banner | None) -> None:
    """A plain word, or a TCF string in which every purpose that analytics need was agreed to."""
    assert banner(said) == told


@pytest.mark.parametrize(
    ("choices", "told", "headers", "expected"),
    [
        (None, None, [], Consent("unknown", None, None)),
        (None, None, [(b"sec-gpc", b"1")], Consent("denied", "gpc", False)),
        (None, None, [(b"sec-gpc", b"0")], Consent("unknown", None, None)),
        (None, None, [(b"sec-gpc", b"1 ")], Consent("unknown", None, None)),
        (None, None, [(b"sec-gpc", b"?1")], Consent("unknown", None, None)),
        (None, None, [(b"sec-gpc", b"11")], Consent("unknown", None, None)),
        (None, None, [(b"dnt", b"1")], Consent("denied", "dnt", None)),
        (None, None, [(b"dnt", b"0")], Consent("unknown", None, None)),
        (None, None, [(b"dnt", b"1"), (b"sec-gpc", b"1")], Consent("denied", "gpc", False)),
        (None, Banner(True, True), [(b"dnt", b"1")], Consent("granted", "banner", True)),
        (None, Banner(True, True), [(b"sec-gpc", b"1")], Consent("granted", "banner", False)),
        (None, Banner(False, None), [], Consent("denied", "banner", None)),
        (_YES, Banner(False, False), [], Consent("granted", "choices", True)),
        (_YES, None, [(b"sec-gpc", b"1")], Consent("granted", "choices", False)),
        (_NO, Banner(True, True), [], Consent("denied", "choices", False)),
    ],
)
def test_who_wins(
    choices: Choices | None, told: Banner | None, headers: list[tuple[bytes, bytes]], expected: Consent
) -> None:
    """The nearer word wins; nobody who sends `Sec-GPC: 1`, and exactly that, is shared."""
    assert consent(choices, told, _sender(*headers), _BOTH) == expected


def test_signals_count_as_the_operator_says() -> None:
    """Where GPC is left to sharing alone, it denies no analytics; sharing stays off."""
    sender = _sender((b"sec-gpc", b"1"), (b"dnt", b"1"))

    assert consent(None, None, sender, frozenset({"dnt"})) == Consent("denied", "dnt", False)
    assert consent(None, None, sender, frozenset()) == Consent("unknown", None, False)
