"""What is written of a person, whole way through a shipper: with consent a pseudonym, without it none."""

from pathlib import Path
from typing import Any

import pytest

from harness.hits import CHROME, TRUSTED, batch, pixel, snowplow, write_segment
from harness.mails import BROWSER, mail_hit
from harness.people import PSEUDONYMS, Header, choices, cookies, people, place_file, tcf, visitor, who_agreed
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.devices.place import Places
from latchstring_gateway.reports.events import committed_events
from latchstring_gateway.shipping.daily import Daily
from latchstring_gateway.shipping.run import Shipper

_ADA = PSEUDONYMS.of("cookie", b"ada".ljust(16, b"."))
_CLIENT = (b"x-forwarded-for", b"203.0.113.77")


def _shipped(data_dir: Path, hits: list[bytes], columns: str, *, daily: bool = False, **options: Any) -> list[Any]:
    write_segment(data_dir, hits)
    policy = people(daily=Daily(data_dir, ManualClock()) if daily else None)
    with Shipper(data_dir, ManualClock(), TRUSTED, policies=policy.now, **options) as shipper:
        shipper.ship_once()
    with committed_events(data_dir / "warehouse") as base:
        assert base is not None
        return base.execute(f'SELECT {columns} FROM events ORDER BY "offset", unit').fetchall()


_PEOPLE = 'visitor, visitor_kind, consent, consent_source, "user"'


@pytest.mark.parametrize(
    ("query", "headers", "row"),
    [
        (b"user=u1", [], (None, "none", "unknown", None, None)),
        (b"user=u1", who_agreed(b"ada"), (_ADA, "cookie", "granted", "choices", "u1")),
        (b"user=u1", [cookies(choices(analytics=False), visitor(b"ada"))], (None, "none", "denied", "choices", None)),
        (b"user=u1", [cookies(visitor(b"ada"))], (None, "none", "unknown", None, None)),
        (b"user=u1", [cookies(visitor(b"ada")), (b"dnt", b"1")], (None, "none", "denied", "dnt", None)),
        (b"user=u1&consent=granted", [cookies(visitor(b"ada"))], (_ADA, "cookie", "granted", "banner", "u1")),
        (b"user=u1&consent=denied", who_agreed(b"ada"), (_ADA, "cookie", "granted", "choices", "u1")),
        (
            b"consent=denied",
            [cookies(b"euconsent-v2=" + tcf({1, 8, 9}).encode())],
            (None, "none", "denied", "banner", None),
        ),
        (
            b"consent=perhaps",
            [cookies(b"euconsent-v2=" + tcf({1, 8, 9}).encode())],
            (None, "none", "granted", "banner", None),
        ),
        (
            b"visitor=v1&gdpr_consent=" + tcf({1, 8, 9}).encode(),
            [],
            (PSEUDONYMS.of("tracker", b"v1"), "tracker", "granted", "banner", None),
        ),
        (b"visitor=v1", [], (None, "none", "unknown", None, None)),
    ],
)
def test_what_is_kept_of_a_visitor(
    tmp_path: Path, query: bytes, headers: list[Header], row: tuple[str | None, ...]
) -> None:
    """Only with consent to analytics is there a pseudonym, never the cookie's or the tracker's own."""
    assert _shipped(tmp_path, [pixel(b"p=/a&" + query, headers)], _PEOPLE) == [row]


@pytest.mark.parametrize(
    "pairs",
    [
        [choices(analytics=True)[:-1]],
        [choices(analytics=True).replace(b"tEst01", b"nobody")],
        [choices(analytics=True), choices(analytics=True)],
        [b"__Host-choices=" + visitor(b"ada").partition(b"=")[2]],
        [b"\xa0" + choices(analytics=True)],
    ],
)
def test_a_forged_choice_is_none(tmp_path: Path, pairs: list[bytes]) -> None:
    """Altered, of an unknown key, sent twice, of another purpose, under another name: nothing was chosen."""
    hits = [pixel(b"p=/a", [cookies(*pairs, visitor(b"ada"))])]

    assert _shipped(tmp_path, hits, "visitor, consent") == [(None, "unknown")]


@pytest.mark.parametrize(
    ("headers", "kept"),
    [
        ([], "ada"),
        (who_agreed(b"ada"), "ada"),
        ([cookies(choices(analytics=False))], None),
        ([(b"sec-gpc", b"1")], None),
    ],
)
def test_whom_a_mail_went_to_is_kept_unless_the_browser_refuses(
    tmp_path: Path, headers: list[Header], kept: str | None
) -> None:
    """The website vouches for those whom it names in links; a refusal at the click is nearer."""
    clicked = [*BROWSER, *headers]

    assert _shipped(tmp_path, [mail_hit(headers=clicked)], "recipient, campaign") == [(kept, "autumn")]


def test_each_event_of_a_batch_may_say_its_own(tmp_path: Path) -> None:
    """A banner that was clicked between two events of one batch counts from then on."""
    body = b'[{"p":"/a","user":"u"},{"p":"/b","user":"u","consent":"granted"},{"p":"/c","user":"u"}]'

    assert _shipped(tmp_path, [batch(body)], '"user", consent') == [
        (None, "unknown"),
        ("u", "granted"),
        (None, "unknown"),
    ]


def test_a_day_tells_the_undecided_apart_and_nobody_who_refused(tmp_path: Path) -> None:
    """Two hits of one address and agent are one visitor; who refused is not even that."""
    rows = _shipped(
        tmp_path,
        [
            pixel(b"p=/a", [_CLIENT]),
            pixel(b"p=/b", [_CLIENT]),
            pixel(b"p=/c", [(b"x-forwarded-for", b"203.0.113.78")]),
            pixel(b"p=/d", [_CLIENT, (b"sec-gpc", b"1")]),
            pixel(b"p=/e", [_CLIENT, *who_agreed(b"ada")]),
        ],
        "visitor, visitor_kind",
        daily=True,
    )

    assert rows[0] == rows[1] != rows[2]
    assert [kind for _, kind in rows] == ["daily", "daily", "daily", "none", "cookie"]
    assert rows[3][0] is None


def test_a_day_does_not_make_one_visitor_of_all_that_a_server_speaks_of(tmp_path: Path) -> None:
    """Its address and agent are nobody's; whom it names by his agent has a device, and no pseudonym without consent."""
    person = b"/i?e=pv&url=https://www.example.com/&ua=" + CHROME.replace(b" ", b"+")

    rows = _shipped(tmp_path, [snowplow(person), snowplow()], "visitor_kind, device_kind", daily=True)

    assert rows == [("none", "computer"), ("daily", "other")]


def test_an_address_is_looked_up_and_then_cut(tmp_path: Path) -> None:
    """Country and provider stay, and the network, or not even that; a file that is replaced is read anew."""
    countries = place_file(tmp_path / "c.mmdb", {"203.0.113.0/24": {"country": {"iso_code": "SE"}}})
    networks = place_file(
        tmp_path / "n.mmdb",
        {"203.0.113.0/24": {"autonomous_system_number": 64500, "autonomous_system_organization": "Example Net"}},
    )
    columns = "country, asn, provider, address_prefix"
    hits = [pixel(b"p=/a", [_CLIENT])]
    places = Places(countries, networks)

    assert _shipped(tmp_path / "1", hits, columns, places=places) == [("SE", 64500, "Example Net", "203.0.113.0/24")]
    assert _shipped(tmp_path / "2", hits, columns, places=places, keep_network=False) == [
        ("SE", 64500, "Example Net", "")
    ]
    place_file(tmp_path / "new.mmdb", {"203.0.113.0/24": {"country": {"iso_code": "NO"}}}).replace(countries)
    assert _shipped(tmp_path / "3", hits, "country", places=places) == [("NO",)]


def test_no_name_of_a_person_reaches_the_warehouse(tmp_path: Path) -> None:
    """Byte for byte: neither cookie values, nor the tracker's pseudonym, nor the full address stand in any file."""
    secrets = [visitor(b"ada").partition(b"=")[2], b"203.0.113.77", b"tracker-pseudonym", b"ada............."]
    hits = [
        pixel(b"p=/a&visitor=tracker-pseudonym", [_CLIENT, *who_agreed(b"ada")]),
        pixel(b"p=bad", [_CLIENT, *who_agreed(b"ada")]),
    ]
    _shipped(tmp_path, hits, "visitor", daily=True)

    for path in (tmp_path / "warehouse").rglob("*.*"):
        if path.is_file():
            data = path.read_bytes()
            assert [secret for secret in secrets if secret in data] == [], path
