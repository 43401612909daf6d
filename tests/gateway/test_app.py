"""Every URL of a worker, from outside: who may call it, and that no error tells more than it should."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from harness.asgi import ask, hang_up
from harness.valkey import Valkey
from harness.waiting import wait_until_async
from harness.worker_app import NAVIGATION, Jar, Worker, dump, now_ms, running_worker, settings_for
from latchstring_gateway import activation_wiring, metrics
from latchstring_gateway.backend_routes import backend_routes
from latchstring_gateway.page_routes import page_routes
from latchstring_gateway.service_keys import ServiceKeys
from latchstring_gateway.store import keys


@pytest.fixture
async def worker(store_url: str, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker that follows the emptied store."""
    async with running_worker(settings_for(store_url, tmp_path)) as running:
        yield running


async def test_v1_takes_service_credentials_only(worker: Worker) -> None:
    """Absent, wrong, malformed, doubled or revoked: 401 with one answer for all, on every URL, and nothing happens."""
    jar = await worker.signed_in()
    good = f"Bearer {worker.service_key}"
    service_keys = ServiceKeys(worker.store, worker.rooms.clock)
    revoked = await service_keys.add("old")
    await service_keys.revoke(revoked[4:26])
    before = await dump(worker.store)
    presented: list[list[tuple[str, str]]] = [
        [],
        [("authorization", "")],
        [("authorization", worker.service_key)],
        [("authorization", f"Basic {worker.service_key}")],
        [("authorization", good[:-1])],
        [("authorization", good + "x")],
        [("authorization", good.replace("lsk_", "lsk-"))],
        [("authorization", f"{good[:33]}-{good[34:]}")],
        [("authorization", f"Bearer {revoked}")],
        [("authorization", good), ("authorization", good)],
        [("cookie", jar.header())],
        [("x-latch-account", "ada")],
    ]
    answers = set()
    for headers in presented:
        for method, url in (
            ("POST", "/v1/sessions"),
            ("POST", "/v1/accounts/ada/revoke"),
            ("GET", "/v1/accounts/ada/devices"),
            ("GET", "/v1/reports/pages"),
            ("GET", "/v1/nothing"),
        ):
            answer = await worker.client.request(method, url, headers=headers)
            assert answer.status_code == 401, (headers, url)
            challenge = answer.headers["www-authenticate"]
            shown = any(value.lower().startswith("bearer ") for name, value in headers if name == "authorization")
            assert challenge.startswith('Bearer realm="latchstring"')
            assert ("invalid_token" in challenge) is (shown and len(headers) == 1)
            answers.add(answer.content)

    assert [json.loads(answer)["code"] for answer in answers] == ["bad_service_credential"]
    assert await dump(worker.store) == before
    assert (await worker.verify(jar)).status_code == 200


async def test_a_service_credential_opens_nothing_but_v1(worker: Worker) -> None:
    """It signs nobody in."""
    headers = {"authorization": f"Bearer {worker.service_key}"}

    assert (await worker.client.get("/verify", headers=headers)).status_code == 401
    assert (await worker.client.get("/latch/devices", headers={**headers, **NAVIGATION})).status_code == 303


async def test_what_is_not_there_is_a_problem_in_one_form(worker: Worker) -> None:
    """404 and 405 as problems, on pages, API and edge alike; never a trace, never a redirect to a slash."""
    cases = [
        ("GET", "/", 404),
        ("GET", "/v1", 404),
        ("GET", "/V1/sessions", 404),
        ("GET", "/verify/", 404),
        ("GET", "/verify/admin", 404),
        ("GET", "/latch/nothing", 404),
        ("GET", "/latch/../v1/sessions", 404),
        ("GET", "//v1/sessions", 404),
        ("DELETE", "/health/live", 405),
        ("GET", "/latch/static/../../etc/passwd", 404),
    ]
    for method, url, status in cases:
        answer = await worker.client.request(
            method, f"https://www.example.com{url}", headers={"sec-fetch-site": "none"}
        )
        assert answer.status_code in ((status, 401) if "v1" in url else (status,)), url
        assert answer.headers["content-type"] == "application/problem+json", url
        assert "location" not in answer.headers
        assert "Traceback" not in answer.text


async def test_a_body_that_is_too_large_or_never_comes_is_refused(worker: Worker) -> None:
    """413 by its declared length and by what really arrives; nothing is stored."""
    before = await dump(worker.store)
    headers = {"authorization": f"Bearer {worker.service_key}", "content-type": "application/json"}

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 10_000

    declared = await worker.client.post("/v1/sessions", headers=headers, content=b"x" * 1_100_000)
    arrived = await worker.client.post("/v1/sessions", headers=headers, content=chunks())

    assert (declared.status_code, arrived.status_code) == (413, 413)
    assert declared.json()["code"] == arrived.json()["code"] == "body_too_large"
    assert await dump(worker.store) == before


async def test_health_says_whether_the_worker_lives_and_may_be_sent_requests(worker: Worker) -> None:
    """Live without a word about the store; ready with it."""
    live, ready = await worker.client.get("/health/live"), await worker.client.get("/health/ready")

    assert (live.status_code, live.text) == (200, "ok")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "wrong": [], "warnings": []})


async def test_a_worker_that_has_not_loaded_yet_is_not_ready(own_valkey: Callable[[], Valkey], tmp_path: Path) -> None:
    """It said ready before its first heartbeat, and what it was sent had to wait for the store."""
    valkey = own_valkey()
    valkey.stop()
    async with running_worker(settings_for(valkey.url, tmp_path), wait=False) as starting:
        at_once = await starting.client.get("/health/ready")
        valkey.restart()
        await wait_until_async(starting.rooms.feed.holds, "the worker to follow")
        later = await starting.client.get("/health/ready")

    assert (at_once.status_code, at_once.json()["wrong"]) == (503, ["store"])
    assert later.status_code == 200


async def test_the_keys_of_passports_are_public_and_hold_no_secret(worker: Worker) -> None:
    """A website may cache them for a minute."""
    answer = await worker.client.get("/.well-known/jwks.json")

    (key,) = answer.json()["keys"]
    assert (key["kty"], key["crv"], key["kid"]) == ("OKP", "Ed25519", worker.rooms.ring.signing_key().id)
    assert "d" not in key
    assert answer.headers["cache-control"] == "public, max-age=60"


async def test_metrics_can_be_scraped_in_any_process(worker: Worker) -> None:
    """Without the directory that several workers share, one process tells of itself; it was a 500."""
    jar = await worker.signed_in()
    for _ in range(3):
        await worker.verify(jar)
    await worker.verify(None)
    await asyncio.sleep(0)

    async def counted() -> bool:
        scraped = (await worker.client.get("/metrics")).text
        samples = {
            (sample.name, sample.labels.get("outcome")): sample.value
            for family in text_string_to_metric_families(scraped)
            for sample in family.samples
        }
        return (
            samples.get(("latchstring_verify_total", "accepted"), 0) >= 3
            and samples.get(("latchstring_verify_total", "no_cookie"), 0) >= 1
            and samples.get(("latchstring_fence_holds", None)) == 1
        )

    await wait_until_async(counted, "the counts to be handed over")


async def test_every_key_left_in_the_store_is_listed_or_expires(worker: Worker) -> None:
    """After the whole story each key is one of the table in store/keys.py, with the lifetime that stands there."""
    jar = Jar()
    device = (await worker.sign_in(jar=jar)).json()["device"]["id"]
    second = await worker.signed_in()
    await worker.navigate(worker.run_out(jar))
    await worker.api("PATCH", f"/v1/accounts/ada/devices/{device}", {"name": "TV"})
    await worker.api("DELETE", f"/v1/accounts/ada/devices/{device}", **{"idempotency-key": "k"})
    session = (await worker.verify(second)).headers["x-latch-session"]
    await worker.api("DELETE", f"/v1/accounts/ada/sessions/{session}")
    await worker.api("POST", "/v1/accounts/ada/revoke")
    rows = [line.split("|")[1:4] for line in (keys.__doc__ or "").splitlines() if line.startswith("| `{")]
    listed = {shape.strip().strip("`").partition("}:")[2].partition("<")[0]: life for shape, _, life in rows}
    found: Any = [key async for key in worker.store.redis.scan_iter(count=1000)]

    strangers, immortal = [], []
    for key in found:
        name = key.partition("}:")[2]
        match = max(
            (start for start in listed if name == start or (start[-1:] == ":" and name.startswith(start))),
            default="",
            key=len,
        )
        if not match:
            strangers.append(key)
        elif "TTL" in listed[match] and "once" not in listed[match] and await worker.store.redis.ttl(key) < 0:
            immortal.append(key)

    assert len(found) > 10
    assert strangers == []
    assert immortal == []
    removed = keys.device(keys.partition_of("ada"), device)  # type: ignore[arg-type]
    assert await worker.store.redis.ttl(removed) > 399 * 86_400


async def test_goodbye_takes_the_worker_out_of_the_registry(store_url: str, tmp_path: Path) -> None:
    """A receipt waits for no worker that has stopped in order."""
    async with running_worker(settings_for(store_url, tmp_path)) as first:
        store = first.store
        assert await store.redis.hlen(keys.WORKERS) == 1
        async with running_worker(settings_for(store_url, tmp_path / "b")) as second:
            keys_file = second.rooms.settings.keys_path
            assert await store.redis.hlen(keys.WORKERS) == 2
        assert await store.redis.hlen(keys.WORKERS) == 1
        receipt = (await first.api("POST", "/v1/accounts/ada/revoke")).json()

    assert keys_file.exists()
    assert (receipt["status"], receipt["workers"]) == ("complete", 1)


async def test_nothing_secret_lies_in_the_store(worker: Worker) -> None:
    """No cookie, no token, no address and no service credential could be read out of a stolen copy."""
    jar = await worker.signed_in()
    await worker.navigate(worker.run_out(jar))
    held = json.dumps(await dump(worker.store), default=list)

    assert worker.service_key[-43:] not in held
    for value in (*jar.values(),):
        assert value.rpartition(".")[2] not in held or len(value) < 20
    assert "192.0.2.10" not in held
    assert now_ms() > 0


async def test_a_key_for_reports_opens_only_them(worker: Worker) -> None:
    """403 on every other URL of /v1, also on one that only looks like a report's; and nothing happens."""
    service_keys = ServiceKeys(worker.store, worker.rooms.clock)
    headers = {"authorization": f"Bearer {await service_keys.add('ada', reports_only=True)}"}
    before = await dump(worker.store)

    for method, url in (
        ("POST", "/v1/accounts/ada/revoke"),
        ("GET", "/v1/accounts/ada/devices"),
        ("GET", "/v1/reports"),
        ("POST", "/v1//reports/../accounts/ada/revoke"),
    ):
        answer = await worker.client.request(method, url, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "reports_only"), url

    assert (await worker.client.get("/v1/reports/pages", headers=headers)).json()["rows"] == []
    assert (await worker.client.post("/v1/reports/../accounts/ada/revoke", headers=headers)).status_code in (403, 404)
    assert await dump(worker.store) == before


async def test_the_dashboard_is_a_page_of_the_worker(worker: Worker) -> None:
    """Signed in by a service key; a form that another website sends is refused."""
    key = {"key": worker.service_key}
    assert (await worker.client.get("/dashboard")).headers["location"] == "/dashboard/sign-in"
    foreign = await worker.client.post("/dashboard/sign-in", data=key, headers={"sec-fetch-site": "cross-site"})
    own = await worker.client.post("/dashboard/sign-in", data=key, headers={"sec-fetch-site": "same-origin"})

    assert (foreign.status_code, "set-cookie" in foreign.headers) == (403, False)
    assert (own.status_code, own.headers["location"]) == (303, "/dashboard")
    cookie = own.headers["set-cookie"].partition(";")[0]
    page = await worker.client.get("/dashboard", headers={"cookie": cookie})
    assert (page.status_code, "What people look at" in page.text) == (200, True)


def _written(worker: Worker) -> list[tuple[str, str]]:
    """Method and URL of everything that may take a body."""
    routes = [*backend_routes(worker.rooms), *page_routes(worker.rooms)]
    activation = activation_wiring.build(worker.rooms)
    routes += [*activation.apps, *activation.pages]
    fixed = [("POST", url) for url in ("/b", "/com.snowplowanalytics.snowplow/tp2", "/health/live", "/verify")]
    found = {
        (method, re.sub(r"{[^}]*}", "x", route.path))
        for route in routes
        for method in (route.methods or set()) - {"GET", "HEAD"}
    }
    return sorted({*found, *fixed})


@pytest.mark.parametrize("media_type", ["application/json", "application/x-www-form-urlencoded"])
async def test_a_client_that_hangs_up_in_mid_body_costs_no_log_line(
    worker: Worker, media_type: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """34 plain lines of traceback for each, at every URL that reads a body: anybody could flood the log."""
    jar = await worker.signed_in()
    said = {
        "authorization": f"Bearer {worker.service_key}",
        "content-type": media_type,
        "content-length": "1000",
        "cookie": jar.header(),
        "sec-fetch-site": "same-origin",
    }
    headers = [(name.encode(), value.encode()) for name, value in said.items()]
    written, before = _written(worker), metrics.HUNG_UP._value.get()
    unanswered = set()
    caplog.clear()
    capfd.readouterr()

    for method, url in written:
        answer = await hang_up(worker.edge.asgi, method=method, path=url, query_string=b"", headers=headers)
        assert answer.status < 500, (method, url)
        if not answer.status:
            unanswered.add(url)

    assert caplog.records == []
    assert not re.search(r"Traceback|error|warning", "".join(capfd.readouterr()))
    read = {
        "application/json": {"/v1/sessions", "/v1/trials/check", "/b"},
        "application/x-www-form-urlencoded": {
            "/latch/oauth/token",
            "/latch/oauth/device_authorization",
            "/latch/choices",
        },
    }
    assert read[media_type] <= unanswered
    assert metrics.HUNG_UP._value.get() == before + len(unanswered)


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n'),
        ("multipart/form-data", b"--x--"),
        ("application/x-www-form-urlencoded; charset=utf-16", "a=ä".encode("utf-16")),
        ("application/x-www-form-urlencoded", b"a=%ff%fe"),
        ("application/x-www-form-urlencoded", b"&".join(b"f%d=1" % number for number in range(10_000))),
        ("application/x-www-form-urlencoded", b"&" * 16_000),
        ("application/x-www-form-urlencoded", b"a=1&a=2"),
        ("application/json; charset=utf-16", '{"account":"ada"}'.encode("utf-16")),
        ("application/json", b"[" * 60_000),
        ("application/json", b'{"account":' + b"9" * 60_000 + b"}"),
        ("application/json", b'{"a":1,' * 9_000),
        ("application/json", b"\xff\xfe"),
        ("", b"x"),
    ],
    ids=lambda value: repr(value[:32]),
)
async def test_a_body_that_cannot_be_read_is_a_4xx_wherever_it_is_sent(
    worker: Worker, media_type: str, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """With a code, and nothing in the log; never a 500, and nothing is half done."""
    jar = await worker.signed_in()
    said = {
        "authorization": f"Bearer {worker.service_key}",
        "content-type": media_type,
        "cookie": jar.header(),
        "sec-fetch-site": "same-origin",
    }
    headers = [(name.encode(), value.encode()) for name, value in said.items() if value]
    caplog.clear()

    for method, url in _written(worker):
        answer = await ask(worker.edge.asgi, chunks=[body], method=method, path=url, query_string=b"", headers=headers)
        assert answer.status < 500, (method, url, answer.body)

    assert caplog.records == []
