"""The two cookies: a choice is kept for 13 months, and who refuses has no pseudonym left."""

from harness.people import CODEC, choices, cookies, visitor
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.privacy.choices import ChoiceCookies, Known
from latchstring_gateway.tokens.purposes import Choices, VisitorToken

_COOKIES = ChoiceCookies(CODEC, ManualClock(), "2026-11")
_ADA = VisitorToken(b"ada".ljust(16, b"."), 0)


def _brought(lines: list[str]) -> Known:
    pairs = [line.partition(";")[0].encode() for line in lines if "Max-Age=0" not in line]
    return _COOKIES.read([cookies(*pairs)])


def test_who_agrees_becomes_a_visitor_and_stays_the_same_one() -> None:
    """The choice and the version of the policy come back; a second yes makes no second visitor."""
    first = _brought(_COOKIES.choose([], analytics=True, sharing=True))
    again = _brought(_COOKIES.choose([cookies(visitor(b"ada"))], analytics=True, sharing=False))

    assert first.choices == Choices(True, True, "2026-11", 1_800_000_000_000)
    assert first.visitor is not None
    assert first.visitor != _brought(_COOKIES.choose([], analytics=True, sharing=True)).visitor
    assert again == Known(Choices(True, False, "2026-11", 1_800_000_000_000), _ADA)


def test_who_refuses_is_no_visitor_any_more() -> None:
    """The visitor cookie is cleared with the same answer."""
    lines = _COOKIES.choose([cookies(visitor(b"ada"))], analytics=False, sharing=False)

    assert _brought(lines) == Known(Choices(False, False, "2026-11", 1_800_000_000_000), None)
    assert lines[1].startswith("__Host-visitor=; ")
    assert "Max-Age=0" in lines[1]


def test_cookies_are_the_browsers_own_and_live_13_months() -> None:
    """Host-only, out of scripts' reach, not for other sites."""
    for line in _COOKIES.choose([], analytics=True, sharing=False):
        name, _, rest = line.partition("=")
        assert name in ("__Host-choices", "__Host-visitor")
        assert rest.partition(";")[2] == " Path=/; Secure; SameSite=Lax; Max-Age=34128000; HttpOnly"


def test_what_is_not_ours_is_nothing() -> None:
    """Forged, doubled, or the one in place of the other."""
    for headers in (
        [],
        [cookies(b"__Host-choices=v1.a.b.c", b"__Host-visitor=x")],
        [cookies(choices(analytics=True), choices(analytics=True), visitor(b"a"), visitor(b"a"))],
        [cookies(b"__Host-choices=" + visitor(b"a").partition(b"=")[2])],
    ):
        assert _COOKIES.read(headers) == Known(None, None)
