"""Verdicts told to a sender: each event of a body, in order, and the same that the shipper comes to."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.hits import TRUSTED, batch, write_segment
from latchstring_gateway.beacons import payload
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.shipping.commits import Commits
from latchstring_gateway.shipping.enrich import Senders
from latchstring_gateway.shipping.seen import Seen
from latchstring_gateway.shipping.ship import SegmentShipper
from latchstring_gateway.shipping.verdicts import verdicts


def _told(body: bytes, content_type: bytes = b"application/json") -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = json.loads(verdicts(payload.decode(batch(body, content_type=content_type))))[
        "events"
    ]
    return answer


_EVENTS = [
    {"page": "/a", "id": "e1"},
    {"page": "a"},
    {"page": "/a", "id": "e1"},
    {"page": "/b", "id": "e1"},
    {"page": "/b", "id": "e1"},
    {"page": "/a"},
    {"page": "/a"},
    7,
]
_VERDICTS = [
    {"verdict": "good"},
    {"verdict": "bad", "code": "bad_page"},
    {"verdict": "duplicate"},
    {"verdict": "good", "conflict": True},
    {"verdict": "duplicate"},
    {"verdict": "good"},
    {"verdict": "good"},
    {"verdict": "bad", "code": "not_an_object"},
]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (json.dumps(_EVENTS).encode(), b"application/json"),
        (json.dumps(_EVENTS).encode(), b"text/plain;charset=UTF-8"),
        ("\n".join(map(json.dumps, _EVENTS)).encode(), b"application/x-ndjson"),
    ],
)
def test_each_event_is_answered_in_order(body: bytes, content_type: bytes) -> None:
    """An array, the text/plain of `sendBeacon`, one event a line: good, bad with its code, a copy, a conflict."""
    assert _told(body, content_type) == _VERDICTS


@pytest.mark.parametrize(
    ("body", "code"), [(b"", "empty_body"), (b"[]", "no_events"), (b"garbage", "not_json"), (b"{}", "no_page")]
)
def test_a_body_that_is_refused_as_a_whole_has_one_verdict(body: bytes, code: str) -> None:
    """Nothing is answered with silence."""
    assert _told(body) == [{"verdict": "bad", "code": code}]


_pages = st.sampled_from(["/a", "/b", "bad", None])
_ids = st.sampled_from(["e1", "e2", "", None])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.fixed_dictionaries({}, optional={"page": _pages, "id": _ids}), max_size=8))
def test_the_shipper_comes_to_the_same_verdicts(
    tmp_path_factory: pytest.TempPathFactory, events: list[dict[str, object]]
) -> None:
    """Whatever is sent: as many good, bad and duplicate events as the sender was told."""
    body = json.dumps(events).encode()
    directory = tmp_path_factory.mktemp("node")

    told = [one["verdict"] for one in _told(body)]
    counts = _ship(directory, body)

    assert (told.count("good"), told.count("bad"), told.count("duplicate")) == counts


def _ship(directory: Path, body: bytes) -> tuple[int, int, int]:
    warehouse = directory / "warehouse"
    warehouse.mkdir()
    seen = Seen(warehouse)
    path = write_segment(directory, [batch(body)])
    shipper = SegmentShipper(warehouse, ManualClock(), Senders(TRUSTED), Commits(warehouse), seen)
    commit = shipper.ship(path, path.read_bytes())
    seen.close()
    assert commit is not None
    (count,) = commit.counts
    return count.good, count.bad, count.duplicate
