"""The renewed cookie on its way to the browser: once, never into a cache, and harmless when it comes late."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.edge_browser import SESSION, Browser
from harness.edge_gateway import EchoWebsite, EdgeGateway
from harness.proxies import Proxy
from harness.waiting import wait_until

pytestmark = pytest.mark.edge

Browsers = Callable[..., Browser]
INVITING = ("expires", "cdn-cache-control", "cloudflare-cdn-cache-control", "surrogate-control", "x-accel-expires")


@pytest.mark.parametrize("status", [200, 404, 500])
def test_a_renewed_cookie_comes_once_and_no_cache_may_keep_its_answer(
    edge: Proxy, gateway: EdgeGateway, browser: Browsers, status: int
) -> None:
    """Whatever the website says of caches, an answer with our cookie is private, no-store and nothing else."""
    alice = browser(gateway.sign_in("alice")["set_cookie"])
    before = alice.cookies[SESSION]

    answer = alice.ask_until_renewed(f"/page?cache=1&status={status}")

    assert answer.status == status
    assert answer.one("set-cookie").startswith(f"{SESSION}=v1.")
    assert alice.cookies[SESSION] != before
    assert answer.one("cache-control") == "private, no-store"
    assert [name for name in INVITING if answer.all(name)] == []


@pytest.mark.parametrize("status", [200, 404, 500])
def test_without_a_cookie_the_websites_own_caching_stands(
    edge: Proxy, gateway: EdgeGateway, browser: Browsers, status: int
) -> None:
    """An answer that carries no cookie of ours keeps the website's cache headers."""
    answer = browser().ask(f"/public/page?cache=1&status={status}")

    assert answer.status == status
    assert answer.all("set-cookie") == []
    assert answer.one("cache-control") == "public, max-age=600"
    assert answer.one("cdn-cache-control") == "public, max-age=600"
    assert answer.one("expires").endswith("GMT")


def test_a_cookie_of_the_website_rides_beside_ours(edge: Proxy, gateway: EdgeGateway, browser: Browsers) -> None:
    """The renewed cookie replaces no Set-Cookie of the website's own."""
    alice = browser(gateway.sign_in("alice")["set_cookie"])

    wait_until(lambda: len(alice.ask("/page?cookie=theme%3Ddark").all("set-cookie")) == 2, "both cookies")

    assert alice.cookies["theme"] == "dark"


@pytest.mark.parametrize("status", [200, 404, 500])
def test_a_careless_cache_in_front_never_hands_a_cookie_on(
    edge: Proxy, cache: Proxy, gateway: EdgeGateway, browser: Browsers, status: int
) -> None:
    """A cache that would store answers with Set-Cookie stores none of ours, though it stores the website's others."""
    target = f"/public/film?cache=1&status={status}"
    alice = browser(gateway.sign_in("alice")["set_cookie"])
    through_cache = Browser(cache)
    through_cache.cookies = alice.cookies

    wait_until(lambda: may_be_due(alice), "the lease to be due")

    renewing = through_cache.ask(target + "&x=alice")
    stranger = Browser(cache)
    after = [stranger.ask(target + "&x=alice") for _ in range(2)]

    assert renewing.one("x-cache-status") == "MISS"
    assert renewing.one("set-cookie").startswith(f"{SESSION}=v1.")
    assert [answer.one("x-cache-status") for answer in after] == ["MISS", "HIT"]
    assert [answer.all("set-cookie") for answer in after] == [[], []]
    assert all("alice" not in str(answer.received()) for answer in after)
    through_cache.close()
    stranger.close()


@pytest.mark.parametrize(
    ("target", "dest"),
    [("/film.jpg", "image"), ("/app.js", "script"), ("/upload/x", "document"), ("/save", "document")],
)
def test_what_may_be_late_or_shared_carries_no_cookie(
    edge: Proxy, gateway: EdgeGateway, browser: Browsers, target: str, dest: str
) -> None:
    """Images, scripts and long uploads get no cookie, though the lease is due, and are let in all the same."""
    alice = browser(gateway.sign_in("alice")["set_cookie"])
    witness = browser([f"{name}={value}" for name, value in alice.cookies.items()])
    witness.ask_until_renewed("/")
    witness.ask_until_renewed("/")

    method, content = ("POST", b"x" * 70_000) if dest == "document" else ("GET", None)
    answer = alice.ask(target, method, dest=dest, content=content)

    assert answer.status == 200
    assert answer.all("set-cookie") == []
    assert answer.json()["body_bytes"] == len(content or b"")


def test_a_renewed_cookie_never_overwrites_a_new_sign_in(edge: Proxy, gateway: EdgeGateway, browser: Browsers) -> None:
    """A browser that signs in again while its old cookie is due keeps the cookie of the new session."""
    old = browser(gateway.sign_in("alice")["set_cookie"])
    witness = browser([f"{name}={value}" for name, value in old.cookies.items()])
    witness.ask_until_renewed("/")
    witness.ask_until_renewed("/")
    started = gateway.sign_in("alice", cookie="; ".join(f"{n}={v}" for n, v in old.cookies.items()))
    line = started["set_cookie"][0].partition(";")[0]

    answer = old.ask("/sign-in?cookie=" + line.replace("=", "%3D", 1), "POST", content=b"password")

    assert answer.one("set-cookie") == line
    old.keep(started["set_cookie"][2])
    assert old.ask("/").received()["x-latch-session"] == started["session"]["id"]


def test_a_cookie_that_comes_late_signs_nobody_out(
    edge: Proxy, gateway: EdgeGateway, website: EchoWebsite, browser: Browsers
) -> None:
    """A POST is answered after the credential has moved on; its old cookie overwrites the new one, and all is well."""
    alice = browser(gateway.sign_in("alice")["set_cookie"])
    held = f"late-{edge.name}"
    with ThreadPoolExecutor(1) as pool:
        wait_until(lambda: may_be_due(alice), "the lease to be due")
        late = pool.submit(alice.ask, f"/save?hold={held}", "POST", content=b"x" * 1_000, keep=False)
        website.wait_held(held)
        for _ in range(4):
            alice.ask_until_renewed("/")
        website.release(held)
        answer = late.result()

    for line in answer.all("set-cookie"):
        alice.keep(line)

    assert len(answer.all("set-cookie")) == 1
    assert alice.ask("/").status == 200
    assert alice.ask_until_renewed("/").received()["x-latch-account"] == "alice"


def test_a_cookie_that_comes_late_brings_no_removed_device_back(
    edge: Proxy, gateway: EdgeGateway, website: EchoWebsite, browser: Browsers
) -> None:
    """A device is removed while an answer with its renewed cookie is held: the cookie that arrives is worth nothing."""
    started = gateway.sign_in("frank")
    frank = browser(started["set_cookie"])
    held = f"removed-{edge.name}"
    with ThreadPoolExecutor(1) as pool:
        wait_until(lambda: may_be_due(frank), "the lease to be due")
        late = pool.submit(frank.ask, f"/save?hold={held}", "POST", content=b"x", keep=False)
        website.wait_held(held)
        receipt = gateway.remove_device("frank", started["device"]["id"])
        website.release(held)
        answer = late.result()

    for line in answer.all("set-cookie"):
        frank.keep(line)

    assert receipt["status"] == "complete"
    assert len(answer.all("set-cookie")) == 1
    assert frank.ask("/", dest="empty").status == 401
    page = frank.ask("/")
    assert page.status == 303
    assert "Max-Age=0" in page.one("set-cookie")
    assert SESSION not in frank.cookies


def may_be_due(browser: Browser) -> bool:
    """Whether the cookie that the browser holds would be renewed now; the renewed one is not kept."""
    return bool(browser.ask("/", keep=False).all("set-cookie"))
