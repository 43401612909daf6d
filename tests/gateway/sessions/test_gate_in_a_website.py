"""The gate inside a website's own process, which has a `middleware` package of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import redis.asyncio

from harness.waiting import wait_until, wait_until_async
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.service_keys import ServiceKeys
from latchstring_gateway.store.client import Store
from latchstring_gateway.tokens.keyring import create_key_file

pytestmark = pytest.mark.store

_WEBSITE = """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
import middleware.ours
from latchstring_gateway.settings import read
from latchstring_gateway.session_gate import SessionGate

async def page(request):
    latch = request.scope["latch"]
    return PlainTextResponse(latch.account if latch else "nobody", headers={"cache-control": "public, max-age=600"})

inner = Starlette(routes=[Route("/watch", page), Route("/", page)])
app = SessionGate(inner, read(), is_public=lambda path: path == "/")
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_website_without_a_proxy_verifies_follows_and_counts_in_receipts(
    tmp_path: Path, store_url: str, store_client: redis.asyncio.Redis
) -> None:
    """Signed in it serves, a removal elsewhere is in force here at once, and the receipt counts this process."""
    site = tmp_path / "site"
    (site / "middleware").mkdir(parents=True)
    (site / "middleware" / "__init__.py").touch()
    (site / "middleware" / "ours.py").touch()
    (site / "website.py").write_text(_WEBSITE)
    create_key_file(tmp_path / "keys.json")
    env = {**os.environ, "LATCHSTRING_DATA_DIR": str(tmp_path), "LATCHSTRING_STORE": store_url}
    store = Store(store_url)
    credential = {"authorization": f"Bearer {await ServiceKeys(store, SystemClock()).add('test')}"}
    await store.close()
    edge_socket = socket.create_server(("127.0.0.1", 0))
    edge_url = f"http://127.0.0.1:{edge_socket.getsockname()[1]}"
    site_url = f"http://127.0.0.1:{(port := _free_port())}"
    worker = [sys.executable, "-m", "latchstring_gateway.supervise.http_worker", "--fd", str(edge_socket.fileno())]
    website = [sys.executable, "-m", "uvicorn", "website:app", "--port", str(port), "--log-level", "warning"]
    processes = [
        subprocess.Popen(worker, pass_fds=[edge_socket.fileno()], env=env),
        subprocess.Popen([*website, "--no-proxy-headers"], env=env, cwd=site),
    ]
    try:
        async with httpx.AsyncClient(timeout=60) as client:

            async def both_follow() -> bool:
                return await store_client.hlen("{1bz}:workers") == 2

            await wait_until_async(both_follow, "both processes to register")
            wait_until(lambda: _answers(f"{site_url}/"), "the website to answer")
            body = {"account": "ada", "remember": True, "authenticated_at_ms": time.time_ns() // 1_000_000}
            started = (await client.post(f"{edge_url}/v1/sessions", json=body, headers=credential)).json()
            cookie = "; ".join(line.partition(";")[0] for line in started["set_cookie"])

            signed_in = await client.get(f"{site_url}/watch", headers={"cookie": cookie})
            public = await client.get(f"{site_url}/")
            device_url = f"{edge_url}/v1/accounts/ada/devices/{started['device']['id']}"
            receipt = (await client.delete(device_url, headers=credential)).json()
            removed = await client.get(f"{site_url}/watch", headers={"cookie": cookie})
            navigation = {"cookie": cookie, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
            sent_away = await client.get(f"{site_url}/watch", headers=navigation)

        assert (signed_in.status_code, signed_in.text) == (200, "ada")
        assert (public.status_code, public.text) == (200, "nobody")
        assert (receipt["status"], receipt["workers"], receipt["applied"]) == ("complete", 2, 2)
        assert removed.status_code == 401
        assert sent_away.status_code == 303
        assert sent_away.headers["location"].startswith("/sign-in?return=")

        processes[1].send_signal(signal.SIGTERM)
        processes[1].wait(10)
        assert await store_client.hlen("{1bz}:workers") == 1, "the website says goodbye when it stops"
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(10)
        edge_socket.close()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False
