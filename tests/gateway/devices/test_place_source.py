"""What a source of places gives, in every wrapping, and what is refused of it."""

import base64
import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import maxminddb
import pytest

from harness.people import place_file
from harness.places import STATISTICS, published
from harness.proxies import Certificate
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.devices.place_source import PlaceSourceError, database_from


def _database(tmp_path: Path) -> bytes:
    return place_file(tmp_path / "made.mmdb", {"203.0.113.0/24": {"country": {"iso_code": "SE"}}}).read_bytes()


def _archive(*names: str) -> Callable[[bytes], bytes]:
    def pack(data: bytes) -> bytes:
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w:gz") as archive:
            for name in names:
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        return made.getvalue()

    return pack


def _get(source: str, work: Path, integrity: str = "") -> Path:
    work.mkdir(exist_ok=True)
    heard: list[int] = []
    return database_from(
        source, work, SystemClock(), integrity=integrity, progress=lambda got, total: heard.append(got)
    )


@pytest.mark.parametrize(
    "wrap",
    [
        lambda data: data,
        gzip.compress,
        _archive("package/README.md", "package/c-ipv4.mmdb", "package/c-ipv6.mmdb", "package/c.mmdb"),
        _archive("GeoLite2-Country_20261124/GeoLite2-Country.mmdb"),
    ],
    ids=["plain", "gzip", "package with three", "archive with one"],
)
def test_a_database_comes_out_of_what_it_is_wrapped_in(tmp_path: Path, wrap: Callable[[bytes], bytes]) -> None:
    """As vendors and packages publish them."""
    source = tmp_path / "source"
    source.write_bytes(wrap(_database(tmp_path)))

    found = _get(str(source), tmp_path / "work")

    assert maxminddb.open_database(found).get("203.0.113.7") == {"country": {"iso_code": "SE"}}


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (lambda data: b"", "expected a MaxMind DB"),
        (lambda data: b"<html>sign in first</html>", "expected a MaxMind DB"),
        (lambda data: gzip.compress(data)[:-20], "gzip file is damaged"),
        (lambda data: gzip.compress(b"nothing in it"), "expected a MaxMind DB"),
        (_archive("a.mmdb", "b.mmdb"), "one .mmdb file in the archive, got 2"),
        (_archive("README.md"), "one .mmdb file in the archive, got 0"),
        (lambda data: STATISTICS[:-60].encode(), "statistics are damaged"),
    ],
    ids=["nothing", "a page", "half a gzip", "gzip of junk", "two databases", "none", "half the statistics"],
)
def test_what_holds_no_database_is_refused(tmp_path: Path, bad: Callable[[bytes], bytes], told: str) -> None:
    """In words that say what was expected."""
    source = tmp_path / "source"
    source.write_bytes(bad(_database(tmp_path)))

    with pytest.raises(PlaceSourceError, match=told):
        _get(str(source), tmp_path / "work")


def test_only_https_and_files_are_sources(tmp_path: Path) -> None:
    """What is not there is told by the system."""
    with pytest.raises(PlaceSourceError, match="expected an https URL or a file"):
        _get("http://localhost/c.mmdb", tmp_path / "work")
    with pytest.raises(FileNotFoundError):
        _get(str(tmp_path / "none"), tmp_path / "work")


def test_the_hash_is_of_what_is_published(tmp_path: Path) -> None:
    """In hex or as npm has it; another one, or none that can be read, refuses the data."""
    source = tmp_path / "source"
    source.write_bytes(packed := gzip.compress(_database(tmp_path)))
    in_hex = hashlib.sha256(packed).hexdigest()
    as_npm = f"sha512-{base64.b64encode(hashlib.sha512(packed).digest()).decode()}"

    for right in (in_hex, as_npm):
        assert _get(str(source), tmp_path / "work", right).exists()
    for wrong in (in_hex[:-1] + "g", f"{in_hex[:-2]}00", as_npm.replace("512", "256"), "sha512-a", "md5-aaaa"):
        with pytest.raises(PlaceSourceError, match="hash"):
            _get(str(source), tmp_path / "work", wrong)


def test_a_source_is_fetched_by_tls_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From redirects too; a download that was cut off, an error and a redirect to plain http give nothing."""
    certificate = Certificate(tmp_path)
    data = _database(tmp_path)
    files: dict[str, bytes | str] = {"/c.mmdb": data, "/half": data, "/moved": "/c.mmdb"}
    files |= {"/down": "http://localhost/c.mmdb", "/round": "/round"}
    with published(certificate, files) as url:
        with pytest.raises(PlaceSourceError, match="CERTIFICATE_VERIFY_FAILED"):
            _get(f"{url}/c.mmdb", tmp_path / "work")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))

        for path in ("/c.mmdb", "/moved"):
            assert _get(url + path, tmp_path / "work").read_bytes() == data
        for path, told in (
            ("/half", "peer closed"),
            ("/none", "expected status 200, got 404"),
            ("/down", "https all the way"),
            ("/round", "redirects"),
        ):
            with pytest.raises(PlaceSourceError, match=told):
                _get(url + path, tmp_path / "work")
    with pytest.raises(PlaceSourceError, match="refused"):
        _get(f"{url}/c.mmdb", tmp_path / "work")
