"""No parser of the edge costs more than a constant a byte, whatever it is given (docs/capacity.md has the figures).

Each is given the worst input that was found for it, once as long as it may be (bodies shorter) and once an eighth of
that: linear work takes 8 times as long, quadratic work 64 times. By the processor's time, the best of a few.
"""

import contextlib
import time
from collections.abc import Callable
from typing import TypeAlias

import pytest

from latchstring_gateway.beacons.payload import BATCH, FORMAT, PIXEL, SNOWPLOW, RawHit, kept_cookies
from latchstring_gateway.link_target import origin_of
from latchstring_gateway.pages.languages import _ranges
from latchstring_gateway.recognition.describe import MAX_AGENT_CHARS, _describe
from latchstring_gateway.recognition.hints import NO_HINTS, read_hints
from latchstring_gateway.server.message_ends import MessageEnds
from latchstring_gateway.sessions.path_readings import readings
from latchstring_gateway.sessions.requirement import BadRequirement, required_by
from latchstring_gateway.shipping import decode
from latchstring_gateway.shipping.query import parameters
from latchstring_gateway.wire import HeaderNames, UnreadHead
from latchstring_middleware.cookies import careful_cookies, foreign_cookie, named_cookies
from latchstring_middleware.cross_origin import refuses
from latchstring_middleware.forwarded import ForwardedError, TrustedProxies
from latchstring_middleware.identity_headers import keep_proxys_identity, strip_identity

Work: TypeAlias = Callable[[bytes], object]

_HEAD_BYTES = 65_536
_OURS = frozenset((b"__Host-session", b"__Host-device"))
_WANTED = HeaderNames(b"authorization", b"cookie", b"x-latch-require", b"user-agent")
#: Of work that grows 8 times this is allowed, for noise; 64 is what quadratic work would take.
_MOST_RATIO = 24
#: Shorter work is all noise.
_LEAST_SECONDS = 0.000_05


def _in_lines(data: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"x-latch-a", data[at : at + 4]) for at in range(0, len(data), 20)]


def _forwarded(host: bytes = b"a.example", target: bytes = b"/") -> Work:
    def work(data: bytes) -> object:
        headers = [
            (b"x-forwarded-method", b"GET"),
            (b"x-forwarded-uri", target + (data if target != b"/" else b"")),
            (b"x-forwarded-host", host if target != b"/" else data),
            (b"x-forwarded-proto", b"https"),
        ]
        return TrustedProxies.parse("127.0.0.1").original_request("127.0.0.1", headers)

    return work


def _walk(data: bytes) -> object:
    return TrustedProxies.parse("10.0.0.0/8").client_address("10.0.0.1", [(b"x-forwarded-for", data)])


def _chunks(data: bytes) -> object:
    ends = MessageEnds()
    ends.expect_chunks()
    at = 0
    while at < len(data):
        at = ends.cut(data, at)
    return at


def _hints(data: bytes) -> object:
    names = ("sec-ch-ua", "sec-ch-ua-full-version-list", "sec-ch-ua-model", "sec-ch-ua-form-factors")
    return read_hints(dict.fromkeys(names, data.decode("latin-1")))


def _hit(source: str, target: bytes = b"/b", before: bytes = b"") -> Work:
    def work(data: bytes) -> object:
        body = b"" if source == PIXEL else before + data
        address = target + data if source == PIXEL else target
        headers = [(b"content-type", b"application/json")]
        return decode.units(RawHit(FORMAT, source, 1_800_000_000_000, "", b"POST", address, headers, body, len(body)))

    return work


_PAYLOAD = b'{"schema":"iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4","data":['
_TP2 = b"/com.snowplowanalytics.snowplow/tp2"

#: What is parsed, by what, to which length, and what is repeated to get there.
_CASES: dict[str, tuple[Work, int, list[bytes]]] = {
    "our cookies": (lambda d: named_cookies([(b"cookie", d)], _OURS), 16_384, [b"__Host-session;", b"a=b; "]),
    "cookies with care": (lambda d: careful_cookies([(b"cookie", d)], _OURS), 16_384, [b";", b"__Host-session=a;"]),
    "a foreign cookie": (lambda d: foreign_cookie([(b"cookie", d)], b"old"), 16_384, [b"old=a;", b"="]),
    "cookies for the journal": (kept_cookies, _HEAD_BYTES, [b"a=b; ", b";"]),
    "header lines": (
        lambda d: (lambda head: (head.lines(_WANTED), head.headers))(
            UnreadHead(b"/", b"GET / HTTP/1.1" + d + b"\r\n\r\n", "")
        ),
        8_192,
        [b"\r\na:", b"\r\ncooki", b"\r\ncookie:" + b" " * 50, b" ", b":"],
    ),
    "identity headers": (
        lambda d: (strip_identity(_in_lines(d)), keep_proxys_identity(_in_lines(d))), _HEAD_BYTES, [b"abcd"],
    ),
    "X-Forwarded-For": (_walk, _HEAD_BYTES, [b",", b"10.0.0.1,", b"0:" * 20 + b",", b"[::1]:1,", b" "]),
    "X-Forwarded-Host": (_forwarded(), _HEAD_BYTES, [b"a-", b"a.", b"a", b"[", b":1"]),
    "X-Forwarded-Uri": (_forwarded(target=b"/a"), 16_000, [b"\xff", b"%2f", b"/"]),
    "Origin": (lambda d: refuses("POST", [(b"origin", d), (b"host", b"a")]), _HEAD_BYTES, [b"https://", b"a"]),
    "X-Latch-Require": (
        lambda d: required_by([(b"x-latch-require", d)]), _HEAD_BYTES, [b"fresh,", b"max-auth-age=", b","],
    ),
    "Accept-Language": (lambda d: _ranges(d.decode("latin-1")), _HEAD_BYTES, [b"a,", b"a-", b"a;q=0.", b"\t"]),
    "client hints": (_hints, _HEAD_BYTES, [b'"', b'"a";v="1", ', b"\\", b"(", b"?"]),
    "user agent": (
        lambda d: _describe.__wrapped__(d.decode("latin-1"), NO_HINTS),
        MAX_AGENT_CHARS,
        [b"HbbTV/1.1.1 (", b"Android ", b"; ", b"Linux; Android 1; A Build/", b"Mozilla/5.0 ", b"a/1 ", b"(", b"\xdf"],
    ),
    "a path's readings": (
        lambda d: readings("/" + d.decode("latin-1")), _HEAD_BYTES, [b"%25", b"/", b"/;", b"/..", b"\\", b"/a b"],
    ),
    "the target of a link": (lambda d: origin_of("https://" + d.decode("latin-1")), _HEAD_BYTES, [b"a.", b":", b"a"]),
    "a query": (parameters, _HEAD_BYTES, [b"&", b"%", b"\xff", b"a&", b"%41&", b"a=%ff&", b"+&"]),
    "a body in chunks": (
        _chunks,
        262_144,
        [b"1\r\nx\r\n", b"01;\r\n\n\r\n", b"4\r\n\r\n\r\n\r\n", b"10\r\n" + b"x" * 16 + b"\r\n"],
    ),
    "a batch of events": (
        _hit(BATCH, before=b"["),
        65_536,
        [b"{},", b"NaN,", b'"",', b"[", b'{"a":', b'"', b"\\u0000", b'{"page":"\\ud800"},', b"{}\n", b"9"],
    ),
    "a Snowplow payload": (
        _hit(SNOWPLOW, _TP2, _PAYLOAD), 65_536, [b"{},", b"NaN,", b"[", b"\\u0000", b'{"e":"pv","url":"\\ud800"},'],
    ),
    "a pixel": (_hit(PIXEL, b"/b.gif?page="), 65_000, [b"%25", b"/", b"&a"]),
}  # fmt: skip


def _seconds(work: Work, data: bytes) -> float:
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        with contextlib.suppress(ValueError, ForwardedError, BadRequirement):
            work(data)
        best = min(best, time.process_time() - began)
    return best


@pytest.mark.parametrize("name", sorted(_CASES))
def test_the_work_grows_with_the_length_and_no_faster(name: str) -> None:
    """A parser that does more than that for what anybody may send lets anybody stop a worker."""
    work, longest, worst = _CASES[name]

    for repeated in worst:
        data = (repeated * (longest // len(repeated) + 1))[:longest]
        short = max(_seconds(work, data[: longest // 8]), _LEAST_SECONDS)
        ratio = _seconds(work, data) / short

        assert ratio < _MOST_RATIO, (name, repeated, ratio)
