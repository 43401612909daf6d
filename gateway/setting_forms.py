"""The forms that texts and files of settings must have; each is told with its remedy when it is wrong."""

import re
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from latchstring_middleware.forwarded import TrustedProxies

from .activation.statement import StatementKeysError, load_keys
from .devices.place import PlaceFileError, open_place_file
from .reports.zones import zone_named
from .sessions.policy import DEVICE_COOKIE, RUN_COOKIE, SESSION_COOKIE
from .sessions.return_path import is_own
from .store import address
from .store.password_file import password_in

PREFIX: Final = "LATCHSTRING_"
#: How every part of the settings is read.
FROM_ENVIRONMENT: Final = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")
#: As browsers send it; an IPv6 address stands in brackets.
_ORIGIN: Final = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_URL: Final = re.compile(_ORIGIN.pattern + r"(/[\x21-\x22\x24-\x7e]*)?")
_DATABASE: Final = re.compile(r"https?://([^/@\s]+@)?[^/@\s]+/[A-Za-z0-9_]+/?")
#: A cookie's name (RFC 6265bis section 4.1.1).
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
#: First segments of paths that are our own.
_OUR_PATHS: Final = frozenset(
    {"v1", "latch", "verify", "health", "metrics", "b", "b.gif", "go", "dashboard", ".well-known"}
)
_PATH: Final = re.compile(r"(/[A-Za-z0-9_.~-]+)+")
_DOMAIN: Final = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_TRACKERS_COOKIE: Final = re.compile(r"(?!__host-|__secure-)[A-Za-z0-9_.-]{0,64}", re.IGNORECASE)
_CLIENT: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


def listed(text: str) -> list[str]:
    """What stands between commas."""
    return [one.strip() for one in text.split(",") if one.strip()]


def _proxies(text: str) -> str:
    TrustedProxies.parse(text)
    return text


def _store(text: str) -> str:
    if text != "embedded":
        address.parse(text)
    return text


def _password_file(path: Path) -> Path:
    if not password_in(path):
        raise ValueError("expected a readable file with the password on its first line")
    return path


def _own_path(text: str) -> str:
    if not is_own(text) or "#" in text:
        raise ValueError("expected a path on the website's own host, such as /sign-in")
    return text


def _origin(text: str) -> str:
    origin = text.lower()
    if _ORIGIN.fullmatch(origin) is None:
        raise ValueError("expected scheme and host without a path, such as https://www.example.com")
    return origin


def _origins(text: str) -> str:
    if not all(_ORIGIN.fullmatch(one) for one in listed(text.lower())):
        raise ValueError("expected origins such as https://app.example.com, between commas; never * or null")
    return text.lower()


def _website_url(text: str) -> str:
    if text and _URL.fullmatch(text) is None:
        raise ValueError("expected a URL of the website without user, password and #, such as https://web.internal/who")
    return text


def _foreign_cookie(text: str) -> str:
    if text and (_TOKEN.fullmatch(text) is None or text in (SESSION_COOKIE, DEVICE_COOKIE, RUN_COOKIE)):
        raise ValueError("expected the name of a cookie of the website's own, such as sessionid")
    return text


def _database(text: str) -> str:
    if text and _DATABASE.fullmatch(text) is None:
        # The value is not repeated: a password may be in it.
        raise ValueError("expected http(s)://[user:password@]host[:port]/database")
    return text


def _place_file(path: Path) -> Path:
    try:
        open_place_file(path).close()
    except PlaceFileError as error:
        raise ValueError(str(error)) from None
    return path


def _statement_keys_file(path: Path) -> Path:
    try:
        load_keys(path)
    except StatementKeysError as error:
        raise ValueError(str(error)) from None
    return path


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise ValueError("expected a folder that can be read")
    return path


def _listening(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not text.startswith("unix:/") and not (host and port.isdigit() and int(port) < 65_536):
        raise ValueError("expected host:port or unix:/path")
    return text


def _free_paths(text: str) -> str:
    if any(_PATH.fullmatch(path) is None or path.split("/")[1] in _OUR_PATHS for path in listed(text)):
        raise ValueError("expected paths such as /acme/track, between commas, and none of our own")
    return text


def _domains(text: str) -> str:
    domains = text.lower()
    if any(_DOMAIN.fullmatch(domain) is None for domain in listed(domains)):
        raise ValueError("expected domains such as example.com, between commas, without scheme and port")
    return domains


def _trackers_cookie(text: str) -> str:
    if _TRACKERS_COOKIE.fullmatch(text) is None:
        raise ValueError("expected a cookie's name without __Host- and __Secure-, such as sp, or nothing")
    return text


def _tv_clients(text: str) -> str:
    if any(_CLIENT.fullmatch(client) is None for client in listed(text)):
        raise ValueError("expected ids such as living-room-app, between commas: letters, digits, dots, - and _")
    return text


def _header_name(text: str) -> str:
    name = text.strip().lower()
    if name and (re.fullmatch(r"[a-z0-9-]{1,64}", name) is None or name in ("cookie", "authorization")):
        raise ValueError("expected the name of a header, such as x-ja4")
    return name


def _time_zone(text: str) -> str:
    return zone_named(text).key


Proxies: TypeAlias = Annotated[str, AfterValidator(_proxies)]
StoreAddress: TypeAlias = Annotated[str, AfterValidator(_store)]
PasswordFile: TypeAlias = Annotated[Path, AfterValidator(_password_file)]
OwnPath: TypeAlias = Annotated[str, AfterValidator(_own_path)]
HeaderName: TypeAlias = Annotated[str, AfterValidator(_header_name)]
Origin: TypeAlias = Annotated[str, AfterValidator(_origin)]
Origins: TypeAlias = Annotated[str, AfterValidator(_origins)]
WebsiteUrl: TypeAlias = Annotated[str, AfterValidator(_website_url)]
ForeignCookie: TypeAlias = Annotated[str, AfterValidator(_foreign_cookie)]
Database: TypeAlias = Annotated[str, AfterValidator(_database)]
StatementKeysFile: TypeAlias = Annotated[Path, AfterValidator(_statement_keys_file)]
PlaceFile: TypeAlias = Annotated[Path, AfterValidator(_place_file)]
Folder: TypeAlias = Annotated[Path, AfterValidator(_folder)]
Listening: TypeAlias = Annotated[str, AfterValidator(_listening)]
FreePaths: TypeAlias = Annotated[str, AfterValidator(_free_paths)]
Domains: TypeAlias = Annotated[str, AfterValidator(_domains)]
TrackersCookie: TypeAlias = Annotated[str, AfterValidator(_trackers_cookie)]
Seconds: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
TimeZone: TypeAlias = Annotated[str, AfterValidator(_time_zone)]
TvClients: TypeAlias = Annotated[str, AfterValidator(_tv_clients)]
