"""Locust: people who sign in, browse, send beacons, and now and then remove a device.

    latchstring serve &
    LATCHSTRING_SERVICE_KEY=$(latchstring service-keys add load) \
        locust -f loadtests/website.py --host http://127.0.0.1:8400 --headless -u 50 -r 25 -t 30s

The requests are those that a proxy and the website's backend make: forward auth, beacons, sign-ins, removals. Each user
checks what it is told: a check after a complete receipt that still passes is a failure, as is any other surprise.
"""

import os
import time
import uuid
from itertools import count
from typing import Any

from locust import FastHttpUser, between, events, task
from locust.contrib.fasthttp import ResponseContextManager

_CREDENTIAL = {"Authorization": f"Bearer {os.environ.get('LATCHSTRING_SERVICE_KEY', '')}"}
_NUMBERS = count()
_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


@events.init.add_listener  # type: ignore[untyped-decorator]  # locust is untyped
def _needs_a_key(environment: Any, **_kwargs: object) -> None:
    if not os.environ.get("LATCHSTRING_SERVICE_KEY"):
        raise SystemExit("set LATCHSTRING_SERVICE_KEY to what `latchstring service-keys add load` prints")


class Viewer(FastHttpUser):
    """One account with a browser, and sometimes a second one to remove."""

    wait_time = between(0.02, 0.2)

    def on_start(self) -> None:
        """Sign in with the box ticked."""
        self.account = f"viewer-{uuid.uuid4().hex[:12]}"
        self.cookie, self.device = self._sign_in()

    @task(30)
    def browse(self) -> None:
        """What the proxy asks for a page."""
        self._expect("GET", "/verify", 200, name="/verify", headers={"Cookie": self.cookie, "User-Agent": _AGENT})

    @task(20)
    def beacon(self) -> None:
        """A page view."""
        headers = {"X-Latch-Hit": uuid.uuid4().hex, "User-Agent": _AGENT}
        self._expect("GET", f"/b.gif?p=/watch/{next(_NUMBERS) % 20}&e=view", 200, name="/b.gif", headers=headers)

    @task(5)
    def heartbeat(self) -> None:
        """What the player sends while a title runs."""
        event = {"e": "heartbeat", "p": "/watch/1", "id": str(uuid.uuid4())}
        self._expect("POST", "/b", 204, name="/b", json=event, headers={"User-Agent": _AGENT})

    @task(2)
    def list_devices(self) -> None:
        """What the website's account page asks."""
        self._expect("GET", f"/v1/accounts/{self.account}/devices", 200, name="/v1/…/devices", headers=_CREDENTIAL)

    @task(1)
    def remove_a_device(self) -> None:
        """Sign in on a second browser and put it out from the first: it must be out when the receipt is complete."""
        cookie, device = self._sign_in()
        url = f"/v1/accounts/{self.account}/devices/{device}"
        with self.client.request(
            "DELETE", url, name="/v1/…/devices/remove", headers=_CREDENTIAL, catch_response=True
        ) as answer:
            receipt = self._judge(answer, 200)
        if receipt is not None and answer.json()["status"] == "complete":
            self._expect("GET", "/verify", 401, name="/verify removed", headers={"Cookie": cookie})

    @task(1)
    def sign_in_again(self) -> None:
        """A new session on the same browser."""
        self.cookie, self.device = self._sign_in(self.cookie)

    def _sign_in(self, cookie: str = "") -> tuple[str, str]:
        body = {
            "account": self.account,
            "remember": True,
            "authenticated_at_ms": time.time_ns() // 1_000_000,
            "browser": {"cookie": cookie, "user_agent": _AGENT, "address": "203.0.113.7"},
        }
        with self.client.request("POST", "/v1/sessions", json=body, headers=_CREDENTIAL, catch_response=True) as answer:
            if self._judge(answer, 201) is None:
                return "", ""
            started = answer.json()
        return "; ".join(line.partition(";")[0] for line in started["set_cookie"]), started["device"]["id"]

    def _expect(self, method: str, url: str, status: int, **options: Any) -> None:
        with self.client.request(method, url, catch_response=True, **options) as answer:
            self._judge(answer, status)

    @staticmethod
    def _judge(answer: ResponseContextManager, status: int) -> ResponseContextManager | None:
        if answer.status_code == status:
            answer.success()  # type: ignore[no-untyped-call]
            return answer
        answer.failure(f"expected {status}, got {answer.status_code}")  # type: ignore[no-untyped-call]
        return None
