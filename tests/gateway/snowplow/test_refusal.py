"""At the door as in the shipper: a choice wins over the banner, either over a signal; who refused gets no cookie."""

import pytest

from harness.people import tcf
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.snowplow.network_user import NOBODY, NetworkUsers
from latchstring_gateway.snowplow.refusal import refusal
from latchstring_gateway.tokens.codec import Codec
from latchstring_gateway.tokens.keyfile import dump, new_key
from latchstring_gateway.tokens.keyring import KeyRing
from latchstring_gateway.tokens.purposes import Choices

RING = KeyRing.from_json(dump([new_key(0, not_before_ms=0)]), ManualClock())
CODEC = Codec(RING)
YES, NO = (b"__Host-choices=" + CODEC.seal(Choices(said, said, "1", 0)) for said in (True, False))
BANNER_YES = b"euconsent-v2=" + tcf({1, 8, 9}).encode()
BANNER_NO = b"euconsent-v2=" + tcf(()).encode()
GPC, DNT = (b"sec-gpc", b"1"), (b"dnt", b"1")

Headers = list[tuple[bytes, bytes]]


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ([], False),
        ([GPC], True),
        ([DNT], False),
        ([(b"sec-gpc", b"0"), GPC], False),
        ([(b"cookie", NO)], True),
        ([(b"cookie", YES), GPC], False),
        ([(b"cookie", BANNER_NO)], True),
        ([(b"cookie", BANNER_YES), GPC], False),
        ([(b"cookie", YES + b"; " + BANNER_NO)], False),
        ([(b"cookie", NO + b"; " + BANNER_YES)], True),
        ([(b"cookie", NO + b"; " + NO)], False),
        ([(b"cookie", NO[:-1])], False),
        ([(b"cookie", b"__Host-choices=denied")], False),
        ([(b"cookie", b"euconsent-v2=nonsense")], False),
        ([(b"cookie", b"\xff\xfe=\x00")], False),
    ],
)
def test_whose_word_counts(headers: Headers, refused: bool) -> None:
    """Choices that are altered, cut or sent twice say nothing."""
    assert refusal(CODEC, {"gpc"})(headers) is refused


def test_who_refuses_loses_the_cookie_he_has() -> None:
    """And who agrees again gets a new one."""
    users = NetworkUsers(RING, name="sp", refuses=refusal(CODEC, ()))
    cookie = users.identify([]).set_cookie.partition(b";")[0]

    assert users.identify([(b"cookie", NO)]) == NOBODY
    cleared = users.identify([(b"cookie", cookie + b"; " + NO)])
    assert (cleared.id, cleared.set_cookie.partition(b";")[0]) == (b"", b"sp=")
    assert b"Max-Age=0" in cleared.set_cookie
    assert users.identify([(b"cookie", YES)]).set_cookie.startswith(b"sp=")
