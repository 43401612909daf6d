"""Lantern over HTTP, before a small gateway that remembers what it was asked."""

import base64
import json
from dataclasses import dataclass, field

import httpx
import pytest
from starlette.applications import Starlette

from latchstring_gateway.beacons.script import noscript_tag, script_tag
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.demo.inbox import Inbox
from latchstring_gateway.demo.website import Website

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
COOKIES = ["__Host-session=s; Path=/; Secure; HttpOnly", "__Host-device=d; Path=/; Secure; HttpOnly"]
MEMBER = {"x-latch-account": "mia@example.com", "x-latch-level": "fresh", "x-latch-auth-time": "1799999000"}
RIGHT = {"email": "mia@example.com", "password": "lift the latch"}


@dataclass
class SmallGateway:
    """Answers POST /v1/sessions as the edge does, or with `status`."""

    status: int = 201
    code: str = ""
    asked: list[dict[str, object]] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """One call."""
        self.asked.append(json.loads(request.content))
        return httpx.Response(
            self.status, json={"set_cookie": COOKIES, "continue_to": "/latch/arrived?to=x", "code": self.code}
        )


@pytest.fixture
def gateway() -> SmallGateway:
    """A gateway that lets everybody in."""
    return SmallGateway()


@pytest.fixture
def client(gateway: SmallGateway) -> httpx.AsyncClient:
    """The website as the proxy sees it."""
    behind = httpx.AsyncClient(transport=httpx.MockTransport(gateway), base_url="http://gateway")
    app = Starlette(routes=Website(behind, Inbox(SECRET), ManualClock()).routes())
    own = {"origin": "http://lantern"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://lantern", headers=own)


async def test_signing_in_hands_over_and_relays_every_cookie(client: httpx.AsyncClient, gateway: SmallGateway) -> None:
    """The gateway learns account, box and browser; the browser gets each Set-Cookie line and goes where it is told."""
    headers = {
        "user-agent": "UA",
        "cookie": "a=b",
        "x-forwarded-for": "198.51.100.1, 192.0.2.7",
        "sec-ch-ua-mobile": "?0",
    }

    answer = await client.post("/sign-in", data={**RIGHT, "remember": "yes", "return": "sealed"}, headers=headers)

    assert (answer.status_code, answer.headers["location"]) == (303, "/latch/arrived?to=x")
    assert answer.headers.get_list("set-cookie") == COOKIES
    assert answer.headers["cache-control"] == "private, no-store"
    [asked] = gateway.asked
    assert (asked["account"], asked["remember"], asked["return"]) == ("mia@example.com", True, "sealed")
    assert asked["browser"] == {
        "cookie": "a=b",
        "user_agent": "UA",
        "address": "192.0.2.7",
        "accept_language": "",
        "client_hints": {"sec-ch-ua-mobile": "?0"},
    }


@pytest.mark.parametrize(("code", "status"), [("too_many_devices", 303), ("account_disabled", 503)])
async def test_one_device_too_many_is_left_to_the_edge(
    client: httpx.AsyncClient, gateway: SmallGateway, code: str, status: int
) -> None:
    """Its page asks what to sign out; for other refusals there is nothing to relay."""
    gateway.status, gateway.code = 409, code

    answer = await client.post("/sign-in", data=RIGHT)

    assert answer.status_code == status
    assert answer.headers.get_list("set-cookie") == (COOKIES if status == 303 else [])


async def test_the_box_not_ticked_asks_for_no_persistent_sign_in(
    client: httpx.AsyncClient, gateway: SmallGateway
) -> None:
    """A form without the field means: not on this computer."""
    await client.post("/sign-in", data=RIGHT)

    assert gateway.asked[0]["remember"] is False


async def test_a_wrong_password_never_reaches_the_gateway(client: httpx.AsyncClient, gateway: SmallGateway) -> None:
    """400, tied to the fields, the address kept and the password not."""
    answer = await client.post("/sign-in", data={**RIGHT, "password": "wrong-word"})

    assert answer.status_code == 400
    assert 'aria-describedby="problem"' in answer.text
    assert "mia@example.com" in answer.text
    assert "wrong-word" not in answer.text
    assert gateway.asked == []


@pytest.mark.parametrize(
    "said",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": "http://lantern"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://lantern.evil.example"},
        {"referer": "http://lantern/sign-in"},
        {},
    ],
    ids=lambda said: " ".join(said.values()) or "nothing",
)
async def test_a_post_from_another_site_signs_nobody_in(
    client: httpx.AsyncClient, gateway: SmallGateway, said: dict[str, str]
) -> None:
    """A stranger's page signed visitors of older browsers (no Sec-Fetch-Site) in to the stranger's account."""
    del client.headers["origin"]

    answer = await client.post("/sign-in", data=RIGHT, headers=said)

    assert answer.status_code == 403
    assert "Please sign in from this page." in answer.text
    assert gateway.asked == []


async def test_the_sign_in_page_of_an_older_browser_works(client: httpx.AsyncClient, gateway: SmallGateway) -> None:
    """Origin and Host agree, and nothing else is said."""
    answer = await client.post("/sign-in", data=RIGHT, headers={"origin": "http://lantern"})

    assert answer.status_code == 303
    assert len(gateway.asked) == 1


def test_nothing_but_sign_in_and_hooks_changes_anything() -> None:
    """Another route that takes posts needs the same check, and a test of it."""
    website = Website(httpx.AsyncClient(), Inbox(SECRET), ManualClock())

    posted = {route.path for route in website.routes() if not (route.methods or set()) <= {"GET", "HEAD"}}

    assert posted == {"/sign-in", "/hooks/latchstring"}


async def test_a_gateway_that_is_away_is_not_the_password_s_fault(
    client: httpx.AsyncClient, gateway: SmallGateway
) -> None:
    """503 and words that say so."""
    gateway.status = 503

    answer = await client.post("/sign-in", data=RIGHT)

    assert answer.status_code == 503
    assert "Nothing is wrong with your password" in answer.text


@pytest.mark.parametrize("path", ["/watch/salt-and-static", "/account"])
async def test_a_page_for_members_turns_a_stranger_away_by_itself(client: httpx.AsyncClient, path: str) -> None:
    """A second line behind the proxy: blank identity headers mean nobody."""
    answer = await client.get(path, headers={"x-latch-account": ""})

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


async def test_every_page_carries_the_edge_s_script(client: httpx.AsyncClient) -> None:
    """By its hash, with integrity; and a pixel for browsers without JavaScript."""
    for path in ("/", "/sign-in", "/watch/salt-and-static"):
        page = (await client.get(path, headers=MEMBER)).text

        assert script_tag(app="lantern") in page
        assert noscript_tag(app="lantern") in page


async def test_a_film_that_does_not_exist_is_404(client: httpx.AsyncClient) -> None:
    """With a page that leads back."""
    assert (await client.get("/watch/none", headers=MEMBER)).status_code == 404


async def test_an_unsigned_hook_is_refused(client: httpx.AsyncClient) -> None:
    """400, and nothing appears in the account's activity."""
    answer = await client.post("/hooks/latchstring", content=b"{}")

    assert answer.status_code == 400
    assert (await client.get("/activity", headers=MEMBER)).json() == {"events": []}
    assert (await client.get("/activity")).status_code == 401
