"""Cookies that no browser of ours sends, and what the logs say of them and of good ones."""

import base64
from collections.abc import Callable

import pytest

from harness.edge_browser import SESSION, Browser, request
from harness.edge_gateway import EdgeGateway, address_of, listen
from harness.proxies import STARTERS, Certificate, Proxy

pytestmark = pytest.mark.edge

Browsers = Callable[..., Browser]
HELD_COOKIE_BYTES = (8_000, 64_000)


def sealed(account_of: Browser) -> str:
    """The session cookie of a browser."""
    return account_of.cookies[SESSION]


def cookie_cases(good: str, device: str) -> dict[str, list[bytes]]:
    """Cookie header lines that must count as nobody's, by what is wrong with them."""
    start, kid, payload, signature = good.split(".")
    name = SESSION.encode()
    lines: dict[str, bytes | list[bytes]] = {
        "empty": name + b"=",
        "no value": name,
        "blank": b"",
        "8 KB": name + b"=" + b"x" * HELD_COOKIE_BYTES[0],
        "8 KB beside it": b"; ".join([b"a=" + b"x" * 4_000] * 5) + b"; " + name + b"=" + good.encode(),
        "non-ASCII": name + b"=\xc3\xa9\xff" + good.encode(),
        "non-ASCII name": b"\xa0" + name + b"=" + good.encode(),
        "duplicated": name + b"=" + good.encode() + b"; " + name + b"=" + good.encode(),
        "duplicated in two headers": [name + b"=" + good.encode(), name + b"=" + good.encode()],
        "wrong purpose": name + b"=" + device.encode(),
        "unknown key": f"{SESSION}={start}.zzzzzz.{payload}.{signature}".encode(),
        "truncated": name + b"=" + good[:-1].encode(),
        "without signature": f"{SESSION}={start}.{kid}.{payload}.".encode(),
        "padded": name + b"=" + good.encode() + b"=",
        "other last character": f"{SESSION}={good[:-1]}{_neighbour(good[-1])}".encode(),
        "inserted": f"{SESSION}={good[:40]}!{good[40:]}".encode(),
        "quoted": f'{SESSION}="{good}"'.encode(),
        "other name": b"__host-session=" + good.encode(),
        "flipped payload": f"{SESSION}={start}.{kid}.{_flipped(payload)}.{signature}".encode(),
    }
    return {
        case: [b"Cookie: " + one for one in (line if isinstance(line, list) else [line])]
        for case, line in lines.items()
    }


def test_bad_cookies_are_nobodys_and_no_secret_is_logged(edge: Proxy, gateway: EdgeGateway, browser: Browsers) -> None:
    """Empty, huge, doubled, bent and foreign cookies: 401 or a refusal by the proxy, and no token in any log."""
    alice = browser(gateway.sign_in("alice")["set_cookie"])
    good, device = sealed(alice), alice.cookies["__Host-device"]

    for case, lines in cookie_cases(good, device).items():
        answer = request(edge, b"/", *lines)

        allowed = (400, 401, 431) if "non-ASCII" in case or "8 KB" in case else (401,)
        assert answer.status in allowed, (case, answer)
        assert answer.all("set-cookie") == [], case
    too_long = request(edge, b"/", f"Cookie: {SESSION}=".encode() + b"x" * HELD_COOKIE_BYTES[1])
    assert too_long.status in (400, 401, 431)
    assert request(edge, b"/", b"Cookie: " + f"{SESSION}={good}".encode()).status == 200
    for log in (gateway.log(), edge.log()):
        assert all(part not in log for part in (good, good.rsplit(".")[-1], device, device.rsplit(".")[-1]))


def test_no_bearer_is_logged_when_the_website_is_down(
    edge: Proxy, gateway: EdgeGateway, certificate: Certificate
) -> None:
    """A request that fails after the check leaves neither cookie nor passport in the log, however much is logged."""
    loud = [("level WARN", "level DEBUG")] if edge.name == "caddy" else []
    nobody = listen()
    address = address_of(nobody)
    nobody.close()
    lonely = STARTERS[edge.name](certificate, gateway.address, address, *loud)
    alice = Browser(lonely, gateway.sign_in("alice")["set_cookie"])

    answer = alice.ask("/page", keep=False)

    assert answer.status == 502
    assert "/page" in lonely.log()
    assert "eyJ" not in lonely.log()
    assert sealed(alice) not in lonely.log()
    alice.close()
    lonely.close()


def _neighbour(character: str) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return alphabet[alphabet.index(character) ^ 1]


def _flipped(payload: str) -> str:
    content = bytearray(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    content[5] ^= 1
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
