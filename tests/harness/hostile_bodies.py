"""Bodies and targets that no tracker sends: random bytes, broken JSON, numbers and texts at every edge."""

import gzip
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from random import Random
from typing import Any, Final
from urllib.parse import quote_plus

from harness.hits import NOW_MS, Headers
from latchstring_gateway.beacons.payload import BATCH, FORMAT, LINK, OPEN, PIXEL, REFUSED, SNOWPLOW, encode

_FIELDS: Final = (
    "type", "e", "page", "p", "id", "t", "time", "sent", "app", "platform", "session", "user", "visitor", "consent",
    "gdpr_consent", "viewing", "campaign", "media", "referrer", "link", "play_state", "position_ms", "ping",
    "playback_rate", "eid", "dtm", "stm", "ttm", "url", "refr", "aid", "duid", "nuid", "tnuid", "sid", "uid",
    "ue_pr", "ue_px", "co", "cx", "ua", "ip", "se_ca", "se_ac", "schema", "data", "u", "events",
)  # fmt: skip
_NUMBERS: Final = (
    "0", "-0", "-1", "1.5", "1e3", "1e308", "1e309", "-1e999", "9" * 310, "9" * 5_000, "9223372036854775807",
    "9223372036854775808", "-9223372036854775809", "18446744073709551616", "0." + "1" * 400, "NaN", "Infinity",
    "-Infinity", "1800000000000", "253402300800000", "00", "1_000", "0x10",
)  # fmt: skip
_TEXTS: Final = (
    "", "/", "/watch/1", "view", "pv", "ue", "se", "x" * 70_000, "\ud83d", "\ude00", "\x00", "\u2028", "é",
    "\U0010ffff",
    "https://[::1]:99999/", "https://a.example/%zz%ff", "file:///usr/x", "iglu:a/b/jsonschema/1-0-0", "[" * 2_000,
    "{" * 2_000, "granted", "CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA", "2026-02-30T25:61:61Z", "0001-01-01",
    "9999-12-31T23:59:59+14:00", "\u0661\u0662", "\u00b2", "1" * 400, "'; DROP TABLE events; --",
)  # fmt: skip
_TP2: Final = b"/com.snowplowanalytics.snowplow/tp2"
_DATA: Final = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"


class Hostile:
    """Makes payloads of every wire; the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._chance = Random(seed)
        self._makers: tuple[Callable[[], bytes], ...] = (
            self._pixel, self._batch, self._batch, self._snowplow_get, self._snowplow_post, self._snowplow_post,
            self._mail, self._refused, self._odd,
        )  # fmt: skip

    def payload(self) -> bytes:
        """One record of the journal."""
        return self._chance.choice(self._makers)()

    def _json(self, depth: int = 0) -> str:
        """A JSON value, or what passes for one at first sight."""
        kind = self._chance.random()
        if kind < 0.35 or depth > 3:
            return self._chance.choice(_NUMBERS)
        if kind < 0.7:
            return json.dumps(self._chance.choice(_TEXTS))
        if kind < 0.8:
            return self._chance.choice(["null", "true", "false", "[]", "{}", "[[]]"])
        if kind < 0.85:
            return self._chance.choice(["[" * 50_000, '{"a":' * 20_000, "[" * 900 + "]" * 900, '"\\ud83d"', '"\\x"'])
        if kind < 0.92:
            return "[" + ",".join(self._json(depth + 1) for _ in range(self._chance.randrange(4))) + "]"
        return self._object(depth + 1)

    def _object(self, depth: int = 0) -> str:
        names = self._chance.sample(_FIELDS, self._chance.randrange(1, 6))
        said = [f'"{name}":{self._json(depth)}' for name in names]
        if self._chance.random() < 0.6:
            said.append('"page":"/watch/1"')
        if self._chance.random() < 0.6:
            said.append('"e":"pv","url":"https://a.example/"')
        return "{" + ",".join(said) + "}"

    def _spoiled(self, body: bytes) -> bytes:
        """The body, sometimes cut, packed, or with bytes that do not belong there."""
        kind = self._chance.random()
        if kind < 0.6 or not body:
            return body
        place = self._chance.randrange(len(body))
        if kind < 0.7:
            return body[:place]
        if kind < 0.8:
            return body[:place] + self._chance.randbytes(self._chance.randrange(1, 9)) + body[place:]
        if kind < 0.85:
            return b"\xef\xbb\xbf" + body
        if kind < 0.95:
            return gzip.compress(body, 1)[: self._chance.choice([None, -3, 9])]
        return self._chance.randbytes(self._chance.randrange(300))

    def _query(self) -> bytes:
        parts = []
        for _ in range(self._chance.randrange(8)):
            value = self._chance.choice([self._chance.choice(_TEXTS), self._chance.choice(_NUMBERS), self._object()])
            coded = quote_plus(value.encode("utf-8", "surrogatepass")[:3_000])
            if self._chance.random() < 0.2:
                coded = urlsafe_b64encode(value.encode("utf-8", "replace")[:3_000]).decode()
            parts.append(f"{self._chance.choice(_FIELDS)}={coded}")
        text = "&".join(parts).encode()
        return text if self._chance.random() < 0.8 else text + self._chance.randbytes(12)

    def _headers(self) -> list[tuple[bytes, bytes]]:
        rows: list[tuple[bytes, Callable[[], bytes]]] = [
            (b"user-agent", lambda: self._chance.choice([b"", b"\xff" * 40, b"Mozilla/5.0 (X11; Linux) " * 9])),
            (b"x-forwarded-for", lambda: self._chance.choice([b"203.0.113.7", b"::ffff:1.2.3.4, \xff", b"," * 99])),
            (b"referer", lambda: self._chance.choice([b"https://a.example/", b"\xff\xfe", b"/x"])),
            (b"accept-language", lambda: self._chance.choice([b"en", b"\xff", b"," * 99])),
            (
                b"cookie",
                lambda: self._chance.choice([b"__Host-visitor=x", b"euconsent-v2=\xff", b"__Host-choices="]),
            ),
            (b"content-type", lambda: self._chance.choice([b"application/json", b"text/plain", b"\xff", b""])),
            (b"x-latch-hit", lambda: self._chance.randbytes(4)),
            (b"sec-gpc", lambda: b"1"),
            (b"x-latch-network-user", lambda: self._chance.choice([b"\xff", b"abc"])),
        ]
        return [(name, make()) for name, make in rows if self._chance.random() < 0.3]

    def _made(self, source: Any, method: bytes, target: bytes, body: bytes, headers: Headers | None = None) -> bytes:
        said = self._headers() if headers is None else list(headers)
        length = len(body) if self._chance.random() < 0.97 else len(body) + 1
        return encode((FORMAT, source, NOW_MS, "127.0.0.1", method, target, said, body, length))

    def _pixel(self) -> bytes:
        return self._made(PIXEL, b"GET", b"/b.gif?" + self._query(), b"")

    def _batch(self) -> bytes:
        objects = [self._object() if self._chance.random() < 0.8 else self._json() for _ in range(3)]
        shape = self._chance.randrange(3)
        text = objects[0] if shape == 0 else "[" + ",".join(objects) + "]" if shape == 1 else "\n".join(objects)
        return self._made(BATCH, b"POST", b"/b", self._spoiled(text.encode("utf-8", "surrogatepass")))

    def _snowplow_get(self) -> bytes:
        path = self._chance.choice([b"/i?", b"/r/tp2?", b"/com.snowplowanalytics.iglu/v1?", b"/\xff?"])
        return self._made(SNOWPLOW, b"GET", path + b"e=pv&" + self._query(), b"")

    def _snowplow_post(self) -> bytes:
        data = ",".join(self._object() if self._chance.random() < 0.8 else self._json() for _ in range(3))
        text = f'{{"schema":"{_DATA}","data":[{data}]}}'
        target = self._chance.choice([_TP2, _TP2 + b"?" + self._query(), b"/com.snowplowanalytics.iglu/v1"])
        return self._made(SNOWPLOW, b"POST", target, self._spoiled(text.encode("utf-8", "surrogatepass")))

    def _mail(self) -> bytes:
        said = {"campaign": "c", "message": "m", "recipient": "r", "sent_at_ms": NOW_MS, "link": "/x"}
        said[self._chance.choice(list(said))] = self._chance.choice([None, 2**63, -1, "x" * 9_000, "", [], 1.5])
        return self._made(self._chance.choice([LINK, OPEN]), b"GET", b"/l/", self._spoiled(json.dumps(said).encode()))

    def _refused(self) -> bytes:
        body = self._chance.choice([b"17", b"-1", b"", b"9" * 12, b"9" * 13, b"\xd9\xa1", b"\xb2"])
        return self._made(REFUSED, b"", self._chance.choice([b"pixel", b"batch"]), body, [])

    def _odd(self) -> bytes:
        """A record that is no hit, or one of a wire that nobody knows."""
        kind = self._chance.randrange(3)
        if kind == 0:
            return self._chance.randbytes(self._chance.randrange(1, 200))
        if kind == 1:
            at_ms = self._chance.choice([-1, 2**62, 2**64 - 1, 0])
            return encode((FORMAT, PIXEL, at_ms, "127.0.0.1", b"GET", b"/b.gif?p=/a", [], b"", 0))
        return self._made("telepathy", b"GET", b"/" + self._query(), self._chance.randbytes(20))
