"""The codec against itsdangerous, and against every way of altering a token."""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import Signer
from msgspec import msgpack

from latchstring_gateway.clock import ManualClock
from latchstring_gateway.tokens.codec import MAX_TOKEN_BYTES, Codec, Reason, Refused
from latchstring_gateway.tokens.keyfile import KeyState, RingKey, dump
from latchstring_gateway.tokens.keyring import KeyRing
from latchstring_gateway.tokens.purposes import DeviceToken, Lease, Payload, ReturnTo

SignerFor = Callable[[RingKey, bytes], Signer]

COUNTS = st.integers(0, 2**53 - 1)
IDS = st.binary(min_size=16, max_size=16)
ACCOUNTS = st.text("ABCXYZabcxyz0189._:@+-", min_size=1, max_size=64)
LEASES = st.builds(
    Lease,
    session=IDS,
    account=ACCOUNTS,
    device=IDS,
    n=COUNTS,
    generation=COUNTS,
    authenticated_at_ms=COUNTS,
    issued_at_ms=COUNTS,
    fresh_until_ms=COUNTS,
    lease_end_ms=COUNTS,
    remembered=st.booleans(),
    run=st.binary(min_size=6, max_size=6),
)
DEVICES = st.builds(DeviceToken, browser=IDS, issued_at_ms=COUNTS)
TARGETS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=699).map(lambda text: "/" + text)
RETURNS = st.builds(ReturnTo, target=TARGETS, issued_at_ms=COUNTS)
PAYLOADS = st.one_of(LEASES, DEVICES, RETURNS)
KINDS: tuple[type[Payload], ...] = (Lease, DeviceToken, ReturnTo)


def sign(signer: Signer, key_id: str, raw: bytes) -> bytes:
    """A token as itsdangerous makes it, whatever is inside."""
    return signer.sign(b"v1." + key_id.encode() + b"." + urlsafe_b64encode(raw).rstrip(b"="))


def refusal(answer: Payload | Refused) -> Reason | None:
    """Why a token was refused, or None if it opened."""
    return answer.reason if isinstance(answer, Refused) else None


class TestAgainstItsdangerous:
    """Two implementations of one format."""

    @given(content=PAYLOADS, secret=st.binary(min_size=32, max_size=32))
    def test_what_we_seal_itsdangerous_unsigns(self, signer: SignerFor, content: Payload, secret: bytes) -> None:
        """Any payload, under any key, sealed by the codec is a good signature to itsdangerous and opens again."""
        key = RingKey("tEst01", KeyState.ACTIVE, 0, 0, secret)
        codec = Codec(KeyRing.from_json(dump([key]), ManualClock()))

        token = codec.seal(content)

        assert signer(key, content.purpose).unsign(token) == token.rsplit(b".", 1)[0]
        assert codec.open(token, type(content)) == content

    @given(content=PAYLOADS)
    def test_what_itsdangerous_signs_we_open(
        self, signer: SignerFor, codec: Codec, test_key: RingKey, content: Payload
    ) -> None:
        """Any payload signed by itsdangerous opens, and is the same token byte for byte as ours."""
        token = sign(signer(test_key, content.purpose), test_key.id, msgpack.encode(content))

        assert codec.open(token, type(content)) == content
        assert codec.seal(content) == token

    @given(
        token=st.binary(max_size=300) | st.text("v1.tEs0-_=", max_size=100).map(str.encode), kind=st.sampled_from(KINDS)
    )
    def test_hostile_bytes_are_refused_without_an_exception(
        self, codec: Codec, token: bytes, kind: type[Payload]
    ) -> None:
        """Bytes that nobody signed are refused, whatever they are."""
        assert refusal(codec.open(token, kind)) is not None

    @given(raw=st.binary(max_size=120), kind=st.sampled_from(KINDS))
    def test_signed_garbage_is_refused_without_an_exception(
        self, signer: SignerFor, codec: Codec, test_key: RingKey, raw: bytes, kind: type[Payload]
    ) -> None:
        """Even under a good signature only what the codec itself would have written opens."""
        answer = codec.open(sign(signer(test_key, kind.purpose), test_key.id, raw), kind)

        assert isinstance(answer, Refused) or msgpack.encode(answer) == raw


class TestAltered:
    """One token, every way of altering it."""

    def test_truncated_at_every_byte(self, codec: Codec, examples: tuple[Payload, ...]) -> None:
        """A token cut short anywhere is refused."""
        for content in examples:
            token = codec.seal(content)

            opened = [cut for cut in range(len(token)) if refusal(codec.open(token[:cut], type(content))) is None]

            assert opened == []

    def test_flipped_at_every_bit(self, codec: Codec, examples: tuple[Payload, ...]) -> None:
        """A token with any single bit flipped is refused."""
        for content in examples:
            token = codec.seal(content)

            opened = [
                bit for bit in range(8 * len(token)) if refusal(codec.open(flip(token, bit), type(content))) is None
            ]

            assert opened == []

    def test_spelled_otherwise(self, signer: SignerFor, codec: Codec, lease: Lease, test_key: RingKey) -> None:
        """Other spellings of the same signature, some of which itsdangerous takes, are refused and named."""
        token = codec.seal(lease)
        oracle = signer(test_key, Lease.purpose)
        spellings = set(respell(token))

        taken = {spelling for spelling in spellings if oracle.validate(spelling)}

        # Three other last characters, padding of four kinds, junk inside the signature: itsdangerous takes them all.
        assert len(taken) >= 8
        assert {refusal(codec.open(spelling, Lease)) for spelling in taken} == {Reason.NOT_CANONICAL}
        assert None not in {refusal(codec.open(spelling, Lease)) for spelling in spellings}

    def test_re_encoded_payload(self, signer: SignerFor, codec: Codec, test_key: RingKey) -> None:
        """Another MessagePack or base64 spelling of the same contents is refused even under a good signature."""
        content = DeviceToken(b"b" * 16, 5)
        oracle = signer(test_key, DeviceToken.purpose)
        raw = msgpack.encode(content)
        wide_integer = raw[:-1] + b"\xcd\x00\x05"
        float_integer = raw[:-1] + b"\xca\x40\xa0\x00\x00"
        wide_array = b"\xdc\x00\x02" + raw[1:]
        padded = oracle.sign(b"v1.tEst01." + urlsafe_b64encode(raw) + b"=")
        newline = oracle.sign(b"v1.tEst01.\n\n\n\n" + urlsafe_b64encode(raw).rstrip(b"="))

        tokens = [sign(oracle, "tEst01", spelling) for spelling in (wide_integer, wide_array)] + [padded, newline]
        answers = {refusal(codec.open(token, DeviceToken)) for token in tokens}

        assert codec.open(sign(oracle, "tEst01", raw), DeviceToken) == content
        assert answers == {Reason.NOT_CANONICAL}
        assert refusal(codec.open(sign(oracle, "tEst01", float_integer), DeviceToken)) is not None

    @pytest.mark.parametrize(
        "token",
        [
            b"",
            b".",
            b"...",
            b"v1...",
            b"v2.tEst01.kA.kA",
            b"V1.tEst01.kA.kA",
            b"v1.tEst01.kA",
            b"v1.tEst01.kA.kA.kA",
            b"v1.abc.kA.kA",
            b"v1.abcdefghi.kA.kA",
            b"v1.tEst0\xe9.kA.kA",
            b"v1.tEst0\n.kA.kA",
            b"v1.tEst01.kA." + b"A" * 1024,
            b"\xff" * 100,
            b"x" * 65_536,
        ],
    )
    def test_malformed(self, codec: Codec, token: bytes) -> None:
        """What has not the form of a token is malformed, and cheap to refuse however long."""
        assert codec.open(token, Lease) == Refused(Reason.MALFORMED)

    def test_longest_token(self, signer: SignerFor, codec: Codec, test_key: RingKey) -> None:
        """A token over 1024 bytes is refused before its signature is looked at, and never sealed."""
        token = sign(signer(test_key, ReturnTo.purpose), test_key.id, msgpack.encode(ReturnTo("/" + "x" * 800, 0)))

        assert len(token) > MAX_TOKEN_BYTES
        assert codec.open(token, ReturnTo) == Refused(Reason.MALFORMED)


class TestWrongKeyOrPurpose:
    """Good signatures that are not good here."""

    def test_wrong_purpose(self, codec: Codec, examples: tuple[Payload, ...]) -> None:
        """A token opens as the purpose it was sealed for and as no other."""
        for content in examples:
            token = codec.seal(content)
            for kind in KINDS:
                expected = None if kind is type(content) else Reason.BAD_SIGNATURE

                assert refusal(codec.open(token, kind)) == expected

    def test_contents_of_another_purpose(
        self, signer: SignerFor, codec: Codec, test_key: RingKey, lease: Lease
    ) -> None:
        """The right purpose around another purpose's fields is refused as a wrong payload."""
        token = sign(signer(test_key, DeviceToken.purpose), test_key.id, msgpack.encode(lease))

        assert refusal(codec.open(token, DeviceToken)) == Reason.WRONG_PAYLOAD

    def test_mac_is_checked_before_contents(self, signer: SignerFor, codec: Codec, test_key: RingKey) -> None:
        """Contents that do not decode are told from a bad signature only once the signature was good."""
        good = sign(signer(test_key, Lease.purpose), test_key.id, b"\xc1 never decoded")
        bad = good[:-1] + (b"A" if good[-1:] != b"A" else b"E")

        assert refusal(codec.open(good, Lease)) == Reason.WRONG_PAYLOAD
        assert refusal(codec.open(bad, Lease)) == Reason.BAD_SIGNATURE

    def test_other_key_under_our_id(self, signer: SignerFor, codec: Codec, lease: Lease) -> None:
        """Another deployment's key that happens to have our key's id forges nothing."""
        other = RingKey("tEst01", KeyState.ACTIVE, 0, 0, b"o" * 32)

        token = sign(signer(other, Lease.purpose), "tEst01", msgpack.encode(lease))

        assert refusal(codec.open(token, Lease)) == Reason.BAD_SIGNATURE

    def test_key_id_is_signed(self, test_key: RingKey, clock: ManualClock, lease: Lease) -> None:
        """The key id is under the signature: renaming it to another key of the ring does not open."""
        other = RingKey("other1", KeyState.VERIFY_ONLY, 0, 0, b"o" * 32)
        codec = Codec(KeyRing.from_json(dump([test_key, other]), clock))

        token = codec.seal(lease).replace(b"tEst01", b"other1")

        assert refusal(codec.open(token, Lease)) == Reason.BAD_SIGNATURE

    @pytest.mark.parametrize(
        ("state", "expected"),
        [(KeyState.ACTIVE, None), (KeyState.VERIFY_ONLY, None), (KeyState.RETIRED, Reason.RETIRED_KEY)],
    )
    def test_state_of_the_key(
        self,
        codec: Codec,
        clock: ManualClock,
        lease: Lease,
        test_key: RingKey,
        state: KeyState,
        expected: Reason | None,
    ) -> None:
        """Active and verify-only keys open tokens, a retired one does not."""
        old = RingKey(test_key.id, state, 0, 0, test_key.secret)
        new = RingKey("other1", KeyState.ACTIVE, 1, 0, b"o" * 32)

        answer = Codec(KeyRing.from_json(dump([old, new]), clock)).open(codec.seal(lease), Lease)

        assert refusal(answer) == expected

    def test_unknown_key_id(self, codec: Codec, lease: Lease) -> None:
        """A key id that the ring does not have is said to be unknown, since the ring may be out of date."""
        token = codec.seal(lease).replace(b"tEst01", b"nobody")

        assert refusal(codec.open(token, Lease)) == Reason.UNKNOWN_KEY

    def test_fields_do_not_run_into_each_other(self, codec: Codec) -> None:
        """("ab", "c") and ("a", "bc") are different tokens: neither the parts nor the fields are glued together."""
        one, other = codec.seal(ReturnTo("/ab", 12)), codec.seal(ReturnTo("/a", 12))
        _, key_id, payload, mac = one.split(b".")

        moved = b"v1." + key_id + payload[:1] + b"." + payload[1:] + b"." + mac

        assert one != other
        assert refusal(codec.open(moved, ReturnTo)) == Reason.UNKNOWN_KEY
        assert refusal(codec.open(b".".join([b"v1", key_id[:-1], key_id[-1:] + payload, mac]), ReturnTo)) is not None


def flip(token: bytes, bit: int) -> bytes:
    """The token with one bit flipped."""
    altered = bytearray(token)
    altered[bit // 8] ^= 1 << bit % 8
    return bytes(altered)


def respell(token: bytes) -> Iterator[bytes]:
    """Other spellings of a token: last character, padding, inserted bytes, the other base64 alphabet, spaces."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for character in alphabet:
        if character != token[-1]:
            yield token[:-1] + bytes([character])
    for tail in (b"=", b"==", b"====", b"=\n", b"\n", b" ", b"!!!!", b"\xe9", b"\0", b".", b"=A"):
        yield token + tail
        yield token[:-10] + tail + token[-10:]
        yield tail + token
    for one, other in ((b"-", b"+"), (b"_", b"/")):
        if one in token:
            yield token.replace(one, other)
    yield b'"' + token + b'"'
    yield token.replace(b"v1", b"v1 ", 1)
    yield token.replace(b".", b"..", 1)
    yield token.replace(b".", b"%2E")
