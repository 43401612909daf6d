"""Where a hook may lead: the table of URLs that are refused, and names that lead to somebody else's network."""

import asyncio
from ipaddress import ip_address

import httpx
import pytest

from latchstring_gateway.errors import BadRequest
from latchstring_gateway.hooks import address
from latchstring_gateway.hooks.address import Address, GuardedTransport, HookAddressError, check, check_resolved
from latchstring_gateway.hooks.deliver import Deliverer

#: Each was taken by the release before, or ended in a traceback there, unless it is plainly none.
_REFUSED = [
    "",
    "receiver.example/hook",
    "//receiver.example/hook",
    "https:///hook",
    "https://",
    "ftp://receiver.example",
    "file:///etc/passwd",
    "gopher://receiver.example",
    "http://receiver.example/",
    "https://a:b@receiver.example/",
    "https://a@receiver.example/",
    "https://@receiver.example/",
    "https://receiver.example:99999/",
    "https://receiver.example:0/",
    "https://receiver.example:-1/",
    "https://receiver.example:x/",
    "https://receiver.example:/",
    "https://xn--/",
    "https://xn--a/",
    "https://xn--zzzzzzzzzzzz-/",
    "https://[::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://[::1/",
    "https://[127.0.0.1]/",
    "https://::1/",
    "https://receiver.example/#part",
    "https://receiver.example/#",
    "https://receiver.example/a b",
    "https://receiver.example/a\nb",
    "https://receiver.example/\x00",
    "https://receiver.example\\@evil.example/",
    "https://r\u00e9ceiver.example/",
    "https://receiver.example/" + "x" * 2_048,
    "https://" + "a" * 64 + ".example/",
    "https://" + "a." * 127 + "example/",
    "https://.example/",
    "https://a..example/",
    "https://-a.example/",
    "https://2130706433/",
    "https://0x7f.1/",
    "https://127.1/",
    "https://0x7f000001/",
    "https://1.2.3.4.5/",
    "https://receiver%2eexample/",
]


@pytest.mark.parametrize("url", _REFUSED)
def test_an_address_that_would_leak_or_lead_nowhere_is_refused(url: str) -> None:
    """In words, with one code; nothing of it raises anything else."""
    with pytest.raises(BadRequest) as refused:
        check(url)

    assert refused.value.code == "bad_hook_url"
    assert refused.value.detail.startswith("expected")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://127.0.0.1:9/x", "127.0.0.1"),
        ("http://[::1]:9/x", "::1"),
        ("http://localhost:9/x", "localhost"),
        ("https://receiver.example/hook?a=b", "receiver.example"),
        ("HTTPS://Receiver.Example./hook", "receiver.example"),
        ("https://xn--mller-kva.example/", "xn--mller-kva.example"),
        ("https://my_service.example:65535", "my_service.example"),
        ("https://[2001:DB8::1]/", "2001:db8::1"),
    ],
)
def test_what_may_be_used(url: str, host: str) -> None:
    """Plain http on the loopback alone."""
    assert check(url) == host


@pytest.mark.parametrize(
    ("host", "private", "word"),
    [
        ("10.0.0.1", False, "private"),
        ("192.168.1.1", False, "private"),
        ("172.16.0.1", False, "private"),
        ("100.64.0.1", False, "private"),
        ("[fd00::1]", False, "private"),
        ("[::ffff:10.0.0.1]", False, "private"),
        ("[64:ff9b::a00:1]", False, "private"),
        ("[2002:a00:1::]", False, "private"),
        ("169.254.169.254", True, "link-local"),
        ("[fe80::1]", True, "link-local"),
        ("[64:ff9b::a9fe:a9fe]", True, "link-local"),
        ("224.0.0.1", True, "link-local"),
        ("0.0.0.0", True, "link-local"),
        ("[::]", True, "link-local"),
        ("255.255.255.255", True, "link-local"),
    ],
)
async def test_an_address_that_is_not_public_is_refused(host: str, *, private: bool, word: str) -> None:
    """A private one unless that was said; a cloud's metadata never."""
    with pytest.raises(BadRequest, match=word):
        await check_resolved(f"https://{host}/hook", private=private)

    if word == "private":
        await check_resolved(f"https://{host}/hook", private=True)


class Resolver:
    """A resolver that knows these names."""

    def __init__(self, **names: list[str]) -> None:
        self.names = {name.replace("_", "."): found for name, found in names.items()}

    async def __call__(self, host: str) -> list[Address]:
        """See `address.addresses_of`."""
        if host not in self.names:
            raise OSError("unknown")
        return [ip_address(found) for found in self.names[host]]


async def test_a_name_that_leads_to_a_private_address_is_refused_when_added_and_when_used() -> None:
    """Also if only one of its addresses does, and if it led elsewhere when it was added."""
    resolver = Resolver(receiver_example=["9.9.9.9", "10.0.0.1"])
    with pytest.raises(BadRequest):
        await check_resolved("https://receiver.example/", private=False, resolve=resolver)
    resolver.names["receiver.example"] = ["169.254.169.254"]
    async with httpx.AsyncClient(transport=GuardedTransport(resolver)) as client:
        with pytest.raises(HookAddressError):
            await client.post("https://receiver.example/")

    await check_resolved("https://unknown.example/", private=False, resolve=resolver)


async def test_the_address_that_was_judged_is_the_one_that_is_used() -> None:
    """The name is looked up once; the receiver still hears its own name. The next address is tried if one is dead."""
    heard: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    resolver = Resolver(receiver_example=["127.0.0.9", "127.0.0.1"])
    async with httpx.AsyncClient(transport=GuardedTransport(resolver)) as client:
        answer = await client.post(f"http://receiver.example:{port}/hook", extensions={address.PRIVATE: True})
    server.close()

    assert answer.status_code == 204
    assert f"host: receiver.example:{port}".encode() in heard[0].lower()


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """ALL_PROXY ended the deliverer: it would also look names up again, after they were judged."""
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    async with Deliverer.client() as client:
        with pytest.raises(httpx.ConnectError):
            await client.post("http://127.0.0.1:1/hook")
