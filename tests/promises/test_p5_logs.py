"""P5: the logs of a busy run, at their most talkative, and its metrics hold no id, token, cookie or address."""

import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.cluster_of_workers import Cluster, SignedIn, cluster_of_workers
from harness.evidence import Evidence
from harness.loopback import loopback
from harness.waiting import wait_until_async
from harness.worker_app import NAVIGATION
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.tokens.keyring import KeyRing
from latchstring_gateway.tokens.log_names import LogNames

pytestmark = pytest.mark.store

_ROOT = Path(__file__).parents[2]
_ADDRESSES = ("203.0.113.77", "2001:db8:77::1")
_AGENT = "SecretiveBrowser/77.0 (do not tell)"
_FORWARDED = {
    "x-forwarded-for": _ADDRESSES[0],
    "x-forwarded-proto": "https",
    "x-forwarded-host": "www.example.com",
    "x-forwarded-method": "GET",
    "x-forwarded-uri": "/private/page?name=confidential",
    "user-agent": _AGENT,
}


async def _check(
    cluster: Cluster, cookie: str, headers: Mapping[str, str] | None = None, *, worker: int = 0
) -> httpx.Response:
    async with loopback(timeout=60) as client:
        sent = {**_FORWARDED, "cookie": cookie, **(headers or {})}
        return await client.get(f"{cluster.workers[worker].url}/verify", headers=sent)


async def _live(cluster: Cluster) -> tuple[list[SignedIn], list[str]]:
    """Everything that can happen to a session, and much that should not; who signed in, and the cookies seen."""
    people = [await cluster.sign_in(f"account-of-{name}") for name in ("ada", "bob", "cleo", "dan")]
    ada, bob, cleo, dan = people
    cookies = [who.cookie for who in people]
    for who in people:
        for worker in (0, 1):
            assert (await _check(cluster, who.cookie, worker=worker)).status_code == 200
            assert (await _check(cluster, who.cookie, {"x-forwarded-for": _ADDRESSES[1]})).status_code == 200
        renewed = await _check(cluster, cluster.aged(who, seconds=250).cookie, NAVIGATION)
        cookies.append(renewed.headers["set-cookie"])
    await cluster.remove(bob)
    await cluster.call(cluster.workers[1], "DELETE", f"/v1/accounts/{cleo.account}/sessions/{cleo.session}")
    await cluster.call(cluster.workers[0], "POST", f"/v1/accounts/{dan.account}/revoke")
    for who in (bob, cleo, dan):
        assert (await _check(cluster, who.cookie)).status_code == 401
        assert (await _check(cluster, cluster.aged(who, seconds=400).cookie, NAVIGATION)).status_code == 303
    broken = ada.cookie.replace("__Host-session=v1.", "__Host-session=v1.x")
    for hostile in (broken, ada.cookie[:90], "__Host-session=" + "junk" * 100, ada.cookie + "; " + ada.cookie):
        assert (await _check(cluster, hostile)).status_code == 401
    await _send_nonsense(cluster, ada)
    await cluster.call(
        cluster.workers[0], "GET", f"/v1/accounts/{ada.account}/devices", headers={"authorization": "Bearer lsk_wrong"}
    )
    await cluster.call(cluster.workers[0], "POST", "/v1/sessions", json={"account": "<script>", "remember": "yes"})
    await asyncio.to_thread(cluster.valkey.kill9)
    assert (await _check(cluster, ada.cookie)).status_code == 200
    await cluster.call(cluster.workers[0], "DELETE", f"/v1/accounts/{ada.account}/devices/{ada.device}")

    async def is_ready(status: int) -> bool:
        return (await cluster.call(cluster.workers[0], "GET", "/health/ready")).status_code == status

    # A quick machine has its store back before a heartbeat has missed it.
    await wait_until_async(lambda: is_ready(503), "the worker to miss its store")
    await asyncio.to_thread(cluster.valkey.restart)
    await wait_until_async(lambda: is_ready(200), "the worker to be ready again")
    assert (await _check(cluster, ada.cookie)).status_code == 200
    return people, cookies


async def _send_nonsense(cluster: Cluster, who: SignedIn) -> None:
    for request in (b"GET /verify HTTP/1.1\r\ncookie " + who.cookie.encode(), b"\x16\x03\x01", b"GET  HTTP/9\r\n\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", cluster.workers[0].port)
        writer.write(request + b"\r\n\r\n")
        await reader.read(1_000)
        writer.close()


def _secrets(cluster: Cluster, people: list[SignedIn], cookies: list[str]) -> list[str]:
    pieces = [piece for cookie in cookies for piece in re.split(r"[=;. ]", cookie) if len(piece) > 15]
    ids = [one for who in people for one in (who.account, who.session, who.device)]
    key = json.loads((cluster.valkey.data_dir / "keys.json").read_text())["keys"][0]["secret"]
    credential = cluster.credential["authorization"].rpartition("_")[2]
    return [*pieces, *ids, key, credential, *_ADDRESSES, "SecretiveBrowser", "confidential", "lsk_wrong", "<script>"]


def _label_values(scraped: str) -> set[str]:
    # The bounds of buckets are numbers, and a fault is the name of a class.
    return {value for label, value in re.findall(r'(\w+)="([^"]*)"', scraped) if label not in ("le", "fault")}


def _documented_values() -> set[str]:
    scripts = {path.stem for path in _ROOT.glob("gateway/**/*.lua")}
    documents = "".join((_ROOT / "docs" / name).read_text() for name in ("metrics.md", "outages.md"))
    return scripts | set(re.findall(r"`([^`]+)`", documents))


def _series(scraped: str) -> set[str]:
    """Names and labels of what was scraped."""
    return {line.rpartition(" ")[0] for line in scraped.splitlines() if line.startswith("latchstring_")}


async def test_a_busy_run_tells_what_happened_and_to_nobody_whom(
    capfd: pytest.CaptureFixture[str], evidence: Evidence
) -> None:
    """Sign-ins, renewals, removals, hostile cookies, nonsense and an outage, logged at debug and searched.

    The labels of the metrics have the values that are documented, and any worker tells of both.
    """
    async with cluster_of_workers(2, log_level="debug") as cluster:
        people, cookies = await _live(cluster)
        names = LogNames(KeyRing.load(cluster.valkey.data_dir / "keys.json", SystemClock()))
        secrets = _secrets(cluster, people, cookies)
        scraped = [(await cluster.call(worker, "GET", "/metrics")).text for worker in cluster.workers]
    logged = capfd.readouterr().err
    lines: list[dict[str, Any]] = [json.loads(line) for line in logged.splitlines() if line.startswith("{")]

    events = {line["event"] for line in lines}
    named = {line["session"] for line in lines if "session" in line}
    found = [secret for secret in secrets if secret in logged or secret in scraped[0]]
    evidence.row(
        promise="P5",
        tried="ids, tokens, cookies, credentials and addresses sought in the debug logs and metrics of a busy run",
        trials=len(secrets) * len(lines),
        violations=len(found),
    )

    assert events >= {
        "session_started", "session_renewed", "session_refused", "session_ended", "device_removed",
        "account_signed_out", "revoked", "visit_refused", "store_away", "store_back",
    }  # fmt: skip
    assert _label_values(scraped[0]) <= _documented_values()
    # What was asked later may have counted more.
    assert _series(scraped[0]) <= _series(scraped[1])
    assert 'latchstring_fences_total{event="renewed"}' in scraped[0]
    assert {names.of("session", who.session) for who in people} <= named
