"""The test bench for trackers: what was sent, good and bad, in Snowplow's own words; never there unless asked for."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.worker_app import Worker, running_worker, settings_for

TP2 = "/com.snowplowanalytics.snowplow/tp2"
PAYLOAD = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
UNSTRUCT = "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0"
CONTEXTS = "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0"
ORDER, TENANT = "iglu:com.acme/order/jsonschema/1-0-0", "iglu:com.acme/tenant/jsonschema/1-0-0"
ID = "0a1b2c3d-0000-4000-8000-000000000001"

pytestmark = pytest.mark.store


@pytest.fixture
async def client(store_url: str, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A worker with the bench."""
    async with running_worker(settings_for(store_url, tmp_path, workers=1, snowplow_micro=True)) as worker:
        yield worker.client


async def _asked(client: httpx.AsyncClient, what: str, **wanted: Any) -> Any:
    answer = await (client.post(f"/micro/{what}", json=wanted) if wanted else client.get(f"/micro/{what}"))
    assert answer.status_code == 200
    return answer.json()


async def _send(client: httpx.AsyncClient, *events: dict[str, str]) -> None:
    answer = await client.post(TP2, json={"schema": PAYLOAD, "data": events})
    assert (answer.status_code, answer.text) == (200, "ok")


async def test_good_events_are_told_in_canonical_names(client: httpx.AsyncClient) -> None:
    """Parameters as they came, and what they are called in Snowplow's event."""
    context = json.dumps({"schema": CONTEXTS, "data": [{"schema": TENANT, "data": {"name": "x"}}]})
    await _send(
        client,
        {
            "e": "pv", "url": "https://www.example.com/a", "page": "A", "eid": ID, "aid": "web", "p": "web",
            "tv": "js-4", "dtm": "1700000000000", "res": "1920x1080", "vp": "abc", "cookie": "1",
            "vid": "3", "co": context,
        },
    )  # fmt: skip
    await _send(client, {"e": "se", "se_ca": "shop", "se_ac": "add", "se_va": "9.5"})

    struct, view = await _asked(client, "good")

    assert (view["eventType"], view["contexts"]) == ("page_view", [TENANT])
    assert view["rawEvent"]["parameters"]["res"] == "1920x1080"
    assert view["rawEvent"]["api"] == {"vendor": "com.snowplowanalytics.snowplow", "version": "tp2"}
    told = view["event"]
    expected = {
        "event": "page_view", "event_id": ID, "app_id": "web", "platform": "web", "v_tracker": "js-4",
        "page_url": "https://www.example.com/a", "page_title": "A", "br_cookies": True, "domain_sessionidx": 3,
        "dvce_screenwidth": 1920, "dvce_screenheight": 1080, "dvce_created_tstamp": "2023-11-14T22:13:20.000Z",
        "br_viewwidth": None, "contexts": [{"schema": TENANT, "data": {"name": "x"}}],
    }  # fmt: skip
    assert {name: told.get(name) for name in expected} == expected
    assert (struct["event"]["se_category"], struct["event"]["se_value"]) == ("shop", 9.5)


async def test_events_are_chosen_by_type_schema_contexts_and_number(client: httpx.AsyncClient) -> None:
    """As the e2e tests of trackers ask."""
    order = json.dumps({"schema": UNSTRUCT, "data": {"schema": ORDER, "data": {"n": 1}}})
    context = json.dumps({"schema": CONTEXTS, "data": [{"schema": TENANT, "data": {}}]})
    await _send(client, {"e": "ue", "ue_pr": order}, {"e": "ue", "ue_pr": order, "co": context}, {"e": "se"})

    assert len(await _asked(client, "good", event_type="unstruct")) == 2
    assert len(await _asked(client, "good", schema=ORDER, contexts=[TENANT])) == 1
    assert len(await _asked(client, "good", limit=1)) == 1
    assert await _asked(client, "good", schema="iglu:com.acme/other/jsonschema/1-0-0") == []
    assert (await client.post("/micro/good", json={"limit": -1})).status_code == 400


async def test_bad_events_are_told_with_their_reason(client: httpx.AsyncClient) -> None:
    """One event of a body, or a body as a whole."""
    await _send(client, {"e": "zz", "eid": "invalidEventId"}, {"e": "se"})
    await client.post("/com.acme/v2", content=b"foo")

    whole, one = await _asked(client, "bad")

    assert (whole["errors"], whole["rawEvent"], whole["collectorPayload"]["body"]) == (["not_json"], None, "foo")
    assert (one["errors"], one["rawEvent"]["parameters"]["eid"]) == (["unknown_type"], "invalidEventId")
    assert len(await _asked(client, "bad", vendor="com.acme", version="v2")) == 1
    assert await _asked(client, "all") == {"total": 3, "good": 1, "bad": 2}


async def test_what_was_left_out_of_a_good_event_is_named(client: httpx.AsyncClient) -> None:
    """A bad id or time made the event a bad one; it is good, and says by code what could not be read."""
    await _send(client, {"e": "se", "eid": "invalidEventId", "dtm": "now"}, {"e": "se"})

    whole, part = await _asked(client, "good")

    assert ("dropped" in whole, part["dropped"]) == (False, ["bad_id", "bad_time"])


async def test_reset_forgets_everything(client: httpx.AsyncClient) -> None:
    """Each test of a tracker begins anew; pixels and redirects are seen as well."""
    await client.get("/i?e=pp&p=web&tv=lol")
    await client.get("/r/tp2?u=https%3A%2F%2Fwww.example.com%2F")
    assert await _asked(client, "all") == {"total": 2, "good": 2, "bad": 0}

    assert await _asked(client, "reset") == {"total": 0, "good": 0, "bad": 0}

    assert (await _asked(client, "good"), await _asked(client, "bad")) == ([], [])


async def test_without_the_setting_there_is_nothing(store_url: str, tmp_path: Path) -> None:
    """A collector in production shows nobody what others sent."""
    worker: Worker
    async with running_worker(settings_for(store_url, tmp_path)) as worker:
        for what in ("all", "good", "bad", "reset"):
            assert (await worker.client.get(f"/micro/{what}")).status_code == 404
            assert (await worker.client.post(f"/micro/{what}", json={})).status_code == 404
