"""What a source of places gives: fetched by https or read from a file, its hash checked, unpacked to a MaxMind DB."""

import base64
import binascii
import gzip
import hashlib
import hmac
import os
import re
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final, TypeAlias

import httpx

from ..clock import Clock
from .delegated import BadStatisticsError, write_countries

#: Fetched, and unpacked; a database of all cities has 120 MB.
_MAX_BYTES: Final = 1 << 30
_MAX_SECONDS: Final = 1_800
_TIMEOUT: Final = httpx.Timeout(60, connect=20)
_CHUNK: Final = 1 << 18
_GZIP_MARK: Final = b"\x1f\x8b"
_MMDB_MARK: Final = b"\xab\xcd\xefMaxMind.com"
#: The format wants its mark in the last 128 KiB.
_MMDB_TAIL: Final = 131_072
_STATISTICS: Final = re.compile(rb"(#[^\n]*\n)*[0-9.]+\|[a-z]+\|[0-9]{8}\|")
_INTEGRITY: Final = re.compile(r"(sha256|sha384|sha512)-([A-Za-z0-9+/]+={0,2})|([0-9a-f]{64})")

#: Hears of bytes that have come, and of their total if that is known.
Progress: TypeAlias = Callable[[int, int | None], None]


class PlaceSourceError(Exception):
    """No data came out of a source; the message says what was expected and what came."""


def database_from(source: str, work: Path, clock: Clock, *, integrity: str, progress: Progress) -> Path:
    """The MaxMind DB that a source holds: the file itself, or one made in the folder `work`.

    A source is an https URL or a file: a database, gzipped or alone in a tar archive if need be, or the registries'
    statistics. `integrity` is its hash, SHA-256 in hex or as npm and SRI write it; empty is not checked. Raises
    PlaceSourceError, OSError.
    """
    if source.startswith("https://"):
        path = work / "fetched"
        _fetch(source, path, clock, progress)
    elif "://" in source:
        raise PlaceSourceError(f"{source}: expected an https URL or a file")
    else:
        path = Path(source)
    _check_integrity(path, integrity)
    if _head(path).startswith(_GZIP_MARK):
        path = _unpacked(path, work / "unpacked")
    if tarfile.is_tarfile(path):
        path = _out_of_archive(path, work / "from-archive.mmdb")
    if _STATISTICS.match(_head(path)):
        return _from_statistics(path, work / "from-statistics.mmdb")
    with path.open("rb") as file:
        file.seek(-min(_MMDB_TAIL, path.stat().st_size), os.SEEK_END)
        if _MMDB_MARK not in file.read():
            raise PlaceSourceError(f"{source}: expected a MaxMind DB, maybe gzipped or in a tar archive, or statistics")
    return path


def copy(source: IO[bytes], to: Path) -> None:
    """Write what a source gives into a file. Raises PlaceSourceError if it is absurdly long."""
    with to.open("wb") as file:
        while chunk := source.read(_CHUNK):
            file.write(chunk)
            if file.tell() > _MAX_BYTES:
                raise PlaceSourceError(f"more than {_MAX_BYTES} bytes when unpacked")


def _fetch(url: str, to: Path, clock: Clock, progress: Progress) -> None:
    began_ns, got = clock.boot_ns(), 0
    try:
        # The one client of ours that goes out into the world, for a person at a terminal: proxy variables are for it.
        client = httpx.Client(
            timeout=_TIMEOUT,
            follow_redirects=True,
            max_redirects=5,
            event_hooks={"request": [_only_https]},
            # The bytes as they are published: the hash is of those.
            headers={"accept-encoding": "identity"},
        )
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        raise PlaceSourceError(f"the proxy in HTTPS_PROXY or ALL_PROXY cannot be used: {error}") from None
    try:
        with client, client.stream("GET", url) as answer, to.open("wb") as file:
            if answer.status_code != httpx.codes.OK:
                raise PlaceSourceError(f"{url}: expected status 200, got {answer.status_code}")
            told = answer.headers.get("content-length", "")
            for chunk in answer.iter_raw(_CHUNK):
                got += len(chunk)
                file.write(chunk)
                progress(got, int(told) if told.isdigit() else None)
                if got > _MAX_BYTES or clock.boot_ns() - began_ns > _MAX_SECONDS * 1_000_000_000:
                    raise PlaceSourceError(f"{url}: more than {_MAX_BYTES} bytes, or than {_MAX_SECONDS} seconds")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise PlaceSourceError(f"{url}: {str(error) or type(error).__name__}") from None


def _only_https(request: httpx.Request) -> None:
    if request.url.scheme != "https":
        raise PlaceSourceError(f"expected https all the way, was sent on to {request.url.scheme}://{request.url.host}")


def _check_integrity(path: Path, integrity: str) -> None:
    if not integrity:
        return
    match = _INTEGRITY.fullmatch(integrity)
    try:
        algorithm, encoded, digits = match.groups() if match is not None else ("", "", "")
        wanted = bytes.fromhex(digits) if digits else base64.b64decode(encoded, validate=True)
    except binascii.Error:
        match = None
    if match is None:
        raise PlaceSourceError("expected a hash such as sha512-... in base64, or 64 hexadecimal digits of SHA-256")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, algorithm or "sha256").digest()
    if not hmac.compare_digest(found, wanted):
        raise PlaceSourceError(f"its hash is not the {integrity} that was expected")


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4_096)


def _unpacked(path: Path, to: Path) -> Path:
    try:
        with gzip.open(path) as packed:
            copy(packed, to)  # type: ignore[arg-type]  # reads bytes like any file
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise PlaceSourceError(f"the gzip file is damaged: {error}") from None
    return to


def _out_of_archive(path: Path, to: Path) -> Path:
    try:
        with tarfile.open(path) as archive:
            found = [member for member in archive if member.isfile() and member.name.endswith(".mmdb")]
            if len(found) > 1:
                # Some bring one of each family besides the one of both.
                found = [member for member in found if "ipv4" not in member.name and "ipv6" not in member.name]
            inner = archive.extractfile(found[0]) if len(found) == 1 else None
            if inner is None:
                raise PlaceSourceError(f"expected one .mmdb file in the archive, got {len(found)}")
            copy(inner, to)
    except tarfile.TarError as error:
        raise PlaceSourceError(f"the archive is damaged: {error}") from None
    return to


def _from_statistics(path: Path, to: Path) -> Path:
    try:
        with path.open(encoding="ascii", errors="replace") as lines:
            write_countries(lines, to)
    except BadStatisticsError as error:
        raise PlaceSourceError(f"the statistics are damaged: {error}") from None
    return to
