"""Where the store is: one server, a primary named by Sentinels, or a Cluster, as LATCHSTRING_STORE spells it.

    redis://[user:password@]host[:port][/db]          rediss:// the same over TLS, unix:///path a socket
    redis+sentinel://[user:password@]host[:port],…/name[/db][?sentinel_password=…]
    redis+cluster://[user:password@]host[:port],…

`rediss+sentinel` and `rediss+cluster` speak TLS; options of redis-py's URLs (ssl_ca_certs and so on) may follow "?",
and `password_file` and `sentinel_password_file`, which are read for each connection.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote, unquote

from redis.asyncio.connection import parse_url

from .password_file import PasswordFile

Place: TypeAlias = tuple[str, int]

_MANY: Final = re.compile(
    r"(?P<scheme>rediss?)\+(?P<kind>sentinel|cluster)://(?:(?P<user>[^@/]*)@)?(?P<hosts>[^/?]+)"
    r"(?P<path>/[^?]*)?(?:\?(?P<query>.*))?"
)
_HOST: Final = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^\[\]:@]+)(?::(?P<port>[0-9]{1,5}))?")
_PORTS: Final = {"sentinel": 26_379, "cluster": 6_379}
_EXPECTED: Final = (
    "expected embedded, or a URL such as redis://host:6379, rediss://…, unix:///path, "
    "redis+sentinel://host:26379,host:26379/name or redis+cluster://host:6379,host:6379"
)


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed store URL. `seeds` are Sentinels or members of the Cluster; `options` are those of every connection."""

    kind: Literal["one", "sentinel", "cluster"]
    options: dict[str, Any] = field(repr=False)
    seeds: tuple[Place, ...] = ()
    service: str = ""
    sentinel_options: dict[str, Any] = field(default_factory=dict, repr=False)


def parse(url: str) -> Address:
    """Read a store URL. Raises ValueError, which repeats nothing of the URL: it may hold a password."""
    if url.startswith(("redis://", "rediss://", "unix://")):
        return Address("one", _options(url))
    found = _MANY.fullmatch(url)
    if found is None:
        raise ValueError(_EXPECTED)
    seeds = tuple(_place(text, _PORTS[found["kind"]]) for text in found["hosts"].split(","))
    user = f"{found['user']}@" if found["user"] else ""
    parts = [unquote(part) for part in (found["path"] or "").split("/")[1:] if part]
    options = _options(f"{found['scheme']}://{user}one/{'/'.join(parts[1:])}?{found['query'] or ''}")
    del options["host"]
    sentinel = {
        name.removeprefix("sentinel_"): options.pop(name)
        for name in ("sentinel_username", "sentinel_password", "sentinel_password_file")
        if name in options
    }
    sentinel = _with_file_read(sentinel)
    if found["kind"] == "cluster":
        if parts:
            raise ValueError("a Cluster has one database: expected nothing after the last host")
        return Address("cluster", options, seeds)
    if not 1 <= len(parts) <= 2 or (len(parts) == 2 and not parts[1].isdecimal()):
        raise ValueError("expected the name that the Sentinels give the primary after the last host: …:26379/name[/db]")
    shared = {name: value for name, value in options.items() if name.startswith(("ssl", "connection_class"))}
    return Address("sentinel", options, seeds, parts[0], {**shared, **sentinel})


def with_password_files(url: str, *, password_file: Path | None, sentinel_password_file: Path | None) -> str:
    """The URL with the files of passwords that are kept apart from it; they go before one that the URL names itself."""
    files = {"password_file": password_file}
    if url.partition("://")[0].endswith("+sentinel"):
        files["sentinel_password_file"] = sentinel_password_file
    query = "&".join(
        f"{name}={quote(str(path.absolute()), safe='')}" for name, path in files.items() if path is not None
    )
    return url if not query else f"{url}{'&' if '?' in url else '?'}{query}"


def _with_file_read(options: dict[str, Any]) -> dict[str, Any]:
    """Options in which the file of a password has become what shows it."""
    if "password_file" not in options:
        return options
    rest = {name: value for name, value in options.items() if name not in ("username", "password", "password_file")}
    shows = PasswordFile(Path(options["password_file"]), options.get("username") or "")
    return {**rest, "credential_provider": shows}


def _options(url: str) -> dict[str, Any]:
    try:
        return _with_file_read(dict(parse_url(url)))
    except ValueError:
        # Its own message may repeat a part of the URL.
        raise ValueError(_EXPECTED) from None


def _place(text: str, default_port: int) -> Place:
    found = _HOST.fullmatch(text)
    if found is None or int(found["port"] or 1) not in range(1, 65_536):
        raise ValueError("expected hosts as host:port, separated by commas")
    return found["name"].strip("[]"), int(found["port"] or default_port)
