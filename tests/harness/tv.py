"""A TV app as a test drives it: it asks for codes, polls, and keeps the tokens that it received last."""

from typing import Any

import httpx

from .app_key import AppKey
from .worker_app import FORWARDED, NAVIGATION, Jar, Worker

CLIENT = "living-room-app"
TV_AGENT = (
    "Mozilla/5.0 (SMART-TV; Linux; Tizen 7.0) AppleWebKit/537.36 (KHTML, like Gecko) Version/7.0 TV Safari/537.36"
)
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
TOKEN_URL = "https://www.example.com/latch/oauth/token"
#: What FORWARDED says is asked for, as a proof names it.
WATCH_URL = "https://www.example.com/watch"
#: What the tests' workers are set to.
SETTINGS: dict[str, Any] = {"tv_clients": f"{CLIENT}, console-app"}


class Tv:
    """One TV before one worker; with a `key`, it has its tokens bound to it and proves it with each request."""

    def __init__(
        self, worker: Worker, *, address: str = "198.51.100.7", agent: str = TV_AGENT, key: AppKey | None = None
    ) -> None:
        self.worker = worker
        self.key = key
        self.nonce: str | None = None
        self.headers = {"x-forwarded-for": address, "user-agent": agent}
        self.codes: dict[str, Any] = {}
        self.tokens: dict[str, Any] = {}

    async def post(self, endpoint: str, **fields: str) -> httpx.Response:
        """A form to one of the endpoints, as this client."""
        if self.key is None or endpoint != "token":
            return await self.send(endpoint, **fields)
        answer = await self.send(endpoint, self.key.proof("POST", TOKEN_URL, nonce=self.nonce), **fields)
        self.nonce = answer.headers["dpop-nonce"]
        if answer.json().get("error") == "use_dpop_nonce":
            answer = await self.send(endpoint, self.key.proof("POST", TOKEN_URL, nonce=self.nonce), **fields)
        return answer

    async def send(self, endpoint: str, proof: str | None = None, **fields: str) -> httpx.Response:
        """The same with this proof, once."""
        headers = self.headers if proof is None else {**self.headers, "dpop": proof}
        form = {"client_id": CLIENT, **fields}
        return await self.worker.client.post(f"/latch/oauth/{endpoint}", data=form, headers=headers)

    async def ask(self) -> dict[str, Any]:
        """New codes."""
        answer = await self.post("device_authorization")
        assert answer.status_code == 200, answer.text
        self.codes = answer.json()
        return self.codes

    async def poll(self, **fields: str) -> httpx.Response:
        """Ask for the tokens of the last codes."""
        form = {"grant_type": DEVICE_GRANT, "device_code": self.codes["device_code"], **fields}
        return self._keep(await self.post("token", **form))

    async def refresh(self) -> httpx.Response:
        """Exchange the refresh token."""
        return self._keep(await self.renewal(self.tokens["refresh_token"]))

    async def renewal(self, refresh_token: str, **fields: str) -> httpx.Response:
        """The answer for a refresh token, which may be lost on its way: nothing is kept."""
        return await self.post("token", grant_type="refresh_token", refresh_token=refresh_token, **fields)

    async def verify(self, manner: str = "", access_token: str | None = None, **headers: str) -> httpx.Response:
        """Ask for something of the website, by forward auth."""
        token = self.tokens["access_token"] if access_token is None else access_token
        if self.key is None:
            return await self.worker.verify(None, manner, authorization=f"Bearer {token}", **headers)
        proof = self.key.proof(FORWARDED["x-forwarded-method"], WATCH_URL, access_token=token)
        return await self.worker.verify(None, manner, **{"authorization": f"DPoP {token}", "dpop": proof, **headers})

    def _keep(self, answer: httpx.Response) -> httpx.Response:
        if answer.status_code == 200:
            self.tokens = answer.json()
        return answer


async def approve(worker: Worker, jar: Jar, codes: dict[str, Any]) -> httpx.Response:
    """What the owner of a browser does when the page has shown what asks."""
    return await decide(worker, jar, codes["user_code"], "connect")


async def connect(tv: Tv, worker: Worker, owner: Jar) -> Tv:
    """Sign a TV in: it asks, its owner approves, it polls."""
    await tv.ask()
    await approve(worker, owner, tv.codes)
    assert (await tv.poll()).status_code == 200
    return tv


async def decide(worker: Worker, jar: Jar, user_code: str, decision: str) -> httpx.Response:
    """Connect or refuse on the page."""
    return await worker.client.post(
        f"/latch/activate/{decision}",
        data={"user_code": user_code},
        headers={**NAVIGATION, "sec-fetch-site": "same-origin", "cookie": jar.header()},
    )
