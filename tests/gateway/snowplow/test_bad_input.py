"""Whatever strangers send to a tracker's URLs: no tracker is made to lose or repeat it, and all of it is counted."""

import gzip
import json
from base64 import urlsafe_b64encode
from collections import Counter
from typing import Any, Final

import httpx
import pytest

from harness.tracked import tracked
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.housekeeping.replay import replay

pytestmark = pytest.mark.beacons

TP2: Final = "/com.snowplowanalytics.snowplow/tp2"
PAYLOAD: Final = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
UNSTRUCT: Final = "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0"
JSON: Final = {"content-type": "application/json; charset=UTF-8"}
VIEW: Final = {"e": "pv", "url": "https://www.example.com/a"}


def _body(*events: Any) -> bytes:
    return json.dumps({"schema": PAYLOAD, "data": events}).encode()


def _nested(times: int) -> str:
    text = json.dumps({"schema": UNSTRUCT, "data": {"schema": "iglu:com.acme/x/jsonschema/1-0-0", "data": {}}})
    for _ in range(times):
        text = urlsafe_b64encode(text.encode()).decode()
    return text


#: Method, path, body and its headers; then what is counted: types of good events and reasons of bad ones.
SENT: Final[list[tuple[str, str, bytes, dict[str, str], list[str]]]] = [
    ("POST", TP2, gzip.compress(b"\0" * 200_000_000, 9), JSON, ["body_too_long"]),
    ("POST", TP2, gzip.compress(_body(VIEW)), {**JSON, "content-encoding": "gzip"}, ["view"]),
    ("POST", TP2, _body(*[VIEW] * 2_000), JSON, ["view"] * 2_000),
    ("POST", TP2, b"x" * 2_500_000, JSON, ["body_too_long"]),
    ("POST", TP2, _body(VIEW).replace(b"/a", b"/\\ud83d"), JSON, ["view"]),
    ("POST", TP2, _body(VIEW).replace(b"/a", b"/\xed\xa0\x80"), JSON, ["view"]),
    ("POST", TP2, _body({"e": "ue", "ue_px": _nested(1)}), JSON, ["com.acme:x"]),
    ("POST", TP2, _body({"e": "ue", "ue_px": _nested(2)}), JSON, ["bad_event"]),
    ("POST", TP2, _body({"e": "se", "cx": _nested(3)}), JSON, ["structured"]),
    ("POST", TP2, b"[" * 60_000, JSON, ["not_json"]),
    ("POST", TP2, b"e=pv&url=/a", {"content-type": "application/x-www-form-urlencoded"}, ["view"]),
    ("POST", TP2, b"e=pv&url=/a", {"content-type": "image/png"}, ["wrong_content_type"]),
    ("POST", TP2, _body(VIEW), {"content-type": "application/json; charset=latin-1"}, ["view"]),
    ("POST", TP2, _body(VIEW).decode().encode("utf-16"), {"content-type": "text/plain; charset=utf-16"}, ["not_json"]),
    ("POST", TP2, _body({**VIEW, "dtm": "-5"}, {**VIEW, "stm": "9" * 13}), JSON, ["view", "view"]),
    ("POST", TP2, _body({**VIEW, "dtm": "5"}), JSON, ["view"]),
    ("POST", TP2, b"", JSON, ["empty_body"]),
    ("POST", "/com.acme/unknown", b'{"hello":"world"}', JSON, ["bad_payload"]),
    ("GET", "/i?e=pv&url=https%3A%2F%2Fwww.example.com%2F%00", b"", {}, ["control_characters"]),
    ("GET", "/i?e=pv&url=%ff%fe", b"", {}, ["bad_page"]),
    ("GET", "/i?" + "&" * 300, b"", {}, ["no_type"]),
    ("GET", "/i?e=se&x=" + "y" * 21_000, b"", {}, ["structured"]),
    ("GET", "/i", b"", {"sp-anonymous": "*"}, ["no_type"]),
    ("GET", "/com.snowplowanalytics.iglu/v1?schema=iglu:x", b"", {}, ["bad_event"]),
    ("GET", "/r/tp2?u=https%3A%2F%2Fevil.example%2F", b"", {}, ["click"]),
    ("GET", "/r/tp2?u=%0d%0aSet-Cookie:evil", b"", {}, ["click"]),
]  # fmt: skip


def test_everything_is_taken_and_everything_is_counted() -> None:
    """200 for all but a refused redirect; in the ledger each event once, good or bad; judging again changes nothing."""
    with tracked(fsync="never") as collector:
        with httpx.Client(base_url=collector.url, timeout=60, trust_env=False) as client:
            for method, path, body, headers, _ in SENT:
                answer = client.request(method, path, content=body, headers=headers)
                assert answer.status_code == (400 if path.startswith("/r/") else 200), (method, path[:60])
                assert "evil" not in repr(answer.headers)

        collector.ship()

        expected = Counter(told for *_, counted in SENT for told in counted)
        types = Counter(row["type"] for row in collector.rows())
        reasons = Counter(letter.reason for letter in collector.letters())
        assert types + reasons == expected
        counted = collector.ledger()
        assert counted.adds_up
        total = counted.total
        assert (total.received, total.good, total.bad) == (expected.total(), types.total(), reasons.total())
        again = replay(collector.gateway.data_dir / "warehouse", collector.gateway.data_dir / "journal", SystemClock())
        assert (again.good, again.still_bad) == (0, reasons.total())


def test_a_batch_that_reaches_two_paths_counts_once() -> None:
    """By eid: whatever path, method or encoding a retry takes."""
    view = {**VIEW, "eid": "0a1b2c3d-0000-4000-8000-000000000001", "dtm": "1700000000000"}
    with tracked(fsync="never", snowplow_paths="/acme/track") as collector:
        with httpx.Client(base_url=collector.url, timeout=60, trust_env=False) as client:
            for path in (TP2, "/acme/track", "/com.acme/v9"):
                client.post(path, content=_body({**view, "stm": "1700000000001"}), headers=JSON)
            client.post(TP2, content=gzip.compress(_body(view)), headers=JSON)
            client.get("/i", params={**view, "stm": "1700000000002"})
            client.get("/i", params={**view, "page": "says something else"})

        collector.ship()

        rows = collector.rows()
        assert [(row["page"], row["conflict"]) for row in rows] == [("/a", False), ("/a", True)]
        total = collector.ledger().total
        assert (total.received, total.good, total.duplicate) == (6, 2, 4)
