"""Addresses of mails: they say what they were made to say, until their time is over, and lead nowhere else."""

import pytest

from harness.mails import MAILING, ORIGIN, SHOP, TARGET, WEEK_MS, links_of, token_of
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.errors import BadRequest, EdgeError
from latchstring_gateway.mail.links import PIXEL_ENDING, Links, checked_label, key_of, without_query
from latchstring_gateway.tokens.codec import MAX_TOKEN_BYTES, Codec
from latchstring_gateway.tokens.keyfile import KeyState, RingKey, dump
from latchstring_gateway.tokens.keyring import KeyRing
from latchstring_gateway.tokens.purposes import DeviceToken, MailLink, OpenPixel

KEY = RingKey("tEst01", KeyState.ACTIVE, 0, 0, bytes(range(32)))


@pytest.fixture
def clock() -> ManualClock:
    """A clock to be moved."""
    return ManualClock()


@pytest.fixture
def codec(clock: ManualClock) -> Codec:
    """A codec with one key."""
    return Codec(KeyRing.from_json(dump([KEY]), clock))


@pytest.fixture
def links(codec: Codec, clock: ManualClock) -> Links:
    """The links of a website that has a shop elsewhere."""
    return links_of(codec, clock)


def _code(found: object) -> tuple[int, str]:
    assert isinstance(found, EdgeError)
    return found.status, found.code


def test_a_link_and_a_pixel_say_what_they_were_made_of(links: Links) -> None:
    """Target, campaign, message, recipient and times come back."""
    link, pixel = links.link(MAILING, TARGET), links.pixel(MAILING)

    assert links.opened(token_of(link), MailLink) == MailLink(TARGET, *MAILING)
    assert links.opened(token_of(pixel), OpenPixel) == OpenPixel(*MAILING)
    assert link.startswith(f"{ORIGIN}/go/v1.tEst01.")
    assert pixel.endswith(PIXEL_ENDING)
    assert {key_of(link), key_of(pixel)} == {"tEst01"}


def test_a_link_is_over_at_its_time_and_not_before(links: Links, clock: ManualClock) -> None:
    """To the millisecond: 410."""
    token = token_of(links.link(MAILING, TARGET))
    clock.advance(WEEK_MS / 1_000 - 0.001)
    assert isinstance(links.opened(token, MailLink), MailLink)

    clock.advance(0.001)

    assert _code(links.opened(token, MailLink)) == (410, "link_expired")


def test_nothing_else_that_we_sign_is_a_link(links: Links, codec: Codec) -> None:
    """A pixel's token is no link's, a device's is neither: each purpose has a key of its own."""
    pixel = token_of(links.pixel(MAILING))

    for token in (pixel, codec.seal(DeviceToken(b"b" * 16, 0)), b"", b"v1.tEst01.x.y", b"x" * 2_000):
        assert _code(links.opened(token, MailLink)) == (400, "bad_link")
    assert _code(links.opened(token_of(links.link(MAILING, TARGET)), OpenPixel)) == (400, "bad_link")


def test_a_link_altered_anywhere_is_refused(links: Links) -> None:
    """Every character counts, and so does every character too many or too few."""
    token = token_of(links.link(MAILING, TARGET))
    altered = [token[:at] + bytes((token[at] ^ 1,)) + token[at + 1 :] for at in range(len(token))]
    altered += [token[:at] for at in range(len(token))] + [token + b"A", token + b"=", token + b"."]

    for one in altered:
        status, _ = _code(links.opened(one, MailLink))
        # A flipped key id names a key that might exist elsewhere.
        assert status == (503 if one.startswith(b"v1.") and one[3:9] != b"tEst01" and one[9:10] == b"." else 400)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (ORIGIN, ORIGIN),
        (f"{ORIGIN}/", f"{ORIGIN}/"),
        ("https://WWW.Example.com/Sale?a=b&c=%20#d", f"{ORIGIN}/Sale?a=b&c=%20#d"),
        (f"{ORIGIN}?a=b", f"{ORIGIN}?a=b"),
        (f"{SHOP}/buy//twice", f"{SHOP}/buy//twice"),
        (f"{ORIGIN}/@evil.example", f"{ORIGIN}/@evil.example"),
        (f"{ORIGIN}/" + "x" * 476, f"{ORIGIN}/" + "x" * 476),
    ],
)
def test_targets_that_may_be_linked(links: Links, said: str, kept: str) -> None:
    """http(s) addresses of the allowed origins; the host in lower case, the rest as it is."""
    target = links.checked_target(said)

    assert target == kept
    assert isinstance(links.opened(token_of(links.link(MAILING, target)), MailLink), MailLink)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "/sale",
        "//www.example.com/",
        "www.example.com",
        "http://www.example.com/",
        "https://evil.example/",
        "https://www.example.com.evil.example/",
        "https://www.example.com:8443/",
        "https://www.example.com@evil.example/",
        "https://www.example.com:pass@evil.example/",
        "https://evil.example\\@www.example.com/",
        "https://www.example.com\\.evil.example/",
        "https://www.example.com\\evil",
        "https://evil.example#@www.example.com/",
        "https://evil.example?www.example.com/",
        "https:www.example.com/",
        "https:///www.example.com/",
        "https://",
        "https://www.example.com\n.evil.example/",
        "https://www.example.com/\r\nset-cookie: a=b",
        "https://www.example.com/ x",
        "https://www.example.com/\u00e4",
        "https://www.ex\u00e4mple.com/",
        "https://www.example.com\u3002evil.example/",
        "https://[::1]/",
        "javascript:alert(1)//https://www.example.com/",
        "data:text/html,x",
        "HTTPS://www.example.com/" + "x" * 600,
        f"{ORIGIN}/" + "x" * 477,
    ],
)
def test_no_link_is_made_to_anywhere_else(links: Links, said: str) -> None:
    """Other hosts, other ports, other schemes, and everything that two readers may read differently."""
    with pytest.raises(BadRequest):
        links.checked_target(said)


def test_a_signed_link_to_a_host_that_is_not_allowed_any_more_leads_nowhere(codec: Codec, clock: ManualClock) -> None:
    """Also whoever has stolen the keys sends nobody to a host of his own."""
    link = token_of(links_of(codec, clock).link(MAILING, f"{SHOP}/buy"))

    now = links_of(codec, clock, allowed=(ORIGIN,))

    assert _code(now.opened(link, MailLink)) == (410, "target_not_allowed")


def test_links_outlive_rotations_until_their_key_is_retired(clock: ManualClock) -> None:
    """A key that was succeeded, and one that only verifies, open what they signed; a retired one does not: 410."""
    made = links_of(Codec(KeyRing.from_json(dump([KEY]), clock)), clock)
    token = token_of(made.link(MAILING, TARGET))
    newer = RingKey("tEst02", KeyState.ACTIVE, 1, 0, bytes(32))

    def found(state: KeyState) -> object:
        ring = KeyRing.from_json(dump([RingKey("tEst01", state, 0, 0, bytes(range(32))), newer]), clock)
        links = links_of(Codec(ring), clock)
        assert key_of(links.link(MAILING, TARGET)) == "tEst02"
        return links.opened(token, MailLink)

    assert isinstance(found(KeyState.ACTIVE), MailLink)
    assert isinstance(found(KeyState.VERIFY_ONLY), MailLink)
    assert _code(found(KeyState.RETIRED)) == (410, "link_expired")


def test_a_key_that_is_not_here_yet_is_no_proof_against_a_link(clock: ManualClock, links: Links) -> None:
    """503: another host made it a moment ago, and this one gets the key."""
    ring = KeyRing.from_json(dump([RingKey("tEst02", KeyState.ACTIVE, 1, 0, bytes(32))]), clock)

    found = links_of(Codec(ring), clock).opened(token_of(links.link(MAILING, TARGET)), MailLink)

    assert _code(found) == (503, "unknown_key")


def test_the_longest_link_fits_a_token(links: Links) -> None:
    """Whatever the limits allow can be made."""
    target = links.checked_target(f"{ORIGIN}/" + "x" * 476)
    longest = MAILING._replace(campaign="c" * 64, message="m" * 64, sent_at_ms=2**53 - 1, expires_at_ms=2**53 - 1)

    token = token_of(links.link(longest, target))

    assert len(token) <= MAX_TOKEN_BYTES
    assert links.opened(token, MailLink) == MailLink(target, *longest)


@pytest.mark.parametrize("said", ["a", "Autumn 2026", "news-41", "a" * 64, "v1.2:x_y+z"])
def test_labels_of_campaigns_and_messages(said: str) -> None:
    """Letters, digits and a few signs."""
    assert checked_label("campaign", said) == said


@pytest.mark.parametrize("said", ["", " a", "-a", "a" * 65, "\u00e4", "a\n", "a\0", "<b>", 'a"'])
def test_what_is_no_label_is_refused_by_name(said: str) -> None:
    """The code says which of the two it was."""
    with pytest.raises(BadRequest, match="expected message") as refused:
        checked_label("message", said)
    assert refused.value.code == "bad_message"


def test_of_a_target_only_the_path_is_kept() -> None:
    """What stands behind may be a secret."""
    assert without_query(TARGET) == f"{ORIGIN}/sale"
    assert without_query(f"{ORIGIN}#x?y") == ORIGIN
