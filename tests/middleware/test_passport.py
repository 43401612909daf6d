"""Passports: the good one is believed once and remembered, every other is refused with its reason."""

import base64
import hmac
import json
from collections.abc import Mapping
from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from harness.asgi import Answered, ask
from latchstring_middleware.passport import (
    MAX_TOKEN_CHARS,
    Passport,
    PassportMiddleware,
    PassportRefused,
    PassportVerifier,
)

NOW = 1_800_000_000
ISSUER = AUDIENCE = "https://shop.example"
KEY, OTHER_KEY = Ed25519PrivateKey.from_private_bytes(b"1" * 32), Ed25519PrivateKey.from_private_bytes(b"2" * 32)
HEADER = {"alg": "EdDSA", "kid": "k1", "typ": "latch-passport+jwt"}
CLAIMS = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "ada",
    "sid": "s" * 22,
    "did": "d" * 22,
    "lvl": "fresh",
    "auth_time": NOW - 60,
    "iat": NOW,
    "exp": NOW + 300,
    "jti": "j" * 22,
}


def b64(raw: bytes) -> str:
    """Unpadded base64url."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def jwk(key: Ed25519PrivateKey, key_id: str) -> dict[str, str]:
    """The public JWK of a key."""
    x = b64(key.public_key().public_bytes_raw())
    return {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": key_id, "alg": "EdDSA", "use": "sig"}


JWKS = {"keys": [jwk(KEY, "k1")]}


def sign(header: Mapping[str, Any], payload: bytes, key: Ed25519PrivateKey = KEY) -> str:
    """A compact JWS of anything, by hand."""
    signed = f"{b64(json.dumps(header).encode())}.{b64(payload)}"
    return f"{signed}.{b64(key.sign(signed.encode()))}"


def token(key: Ed25519PrivateKey = KEY, kid: str = "k1", **claims: Any) -> str:
    """A passport with some claims replaced; None leaves one out."""
    kept = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    return sign({**HEADER, "kid": kid}, json.dumps(kept).encode(), key)


class Wall:
    """A wall clock that stands where it is put."""

    def __init__(self) -> None:
        self.seconds = float(NOW)

    def __call__(self) -> float:
        """Seconds since the epoch."""
        return self.seconds


def verifier(**options: Any) -> PassportVerifier:
    """A verifier with the key at hand and the clock at NOW."""
    defaults = {"issuer": ISSUER, "audience": AUDIENCE, "jwks": JWKS, "now_seconds": lambda: float(NOW)}
    return PassportVerifier(**{**defaults, **options})


def test_a_good_passport_says_who_is_there() -> None:
    """Every field comes from its claim; the claims cannot be changed."""
    passport = verifier().verify(token())

    assert passport == Passport("ada", "s" * 22, "d" * 22, "fresh", NOW - 60, NOW + 300, CLAIMS)
    assert isinstance(passport, Passport)
    with pytest.raises(TypeError):
        passport.claims["sub"] = "eve"  # type: ignore[index]


def test_a_foreign_library_makes_passports_we_read() -> None:
    """PyJWT's spelling of the same claims verifies."""
    made = pyjwt.encode(CLAIMS, KEY, algorithm="EdDSA", headers={"kid": "k1", "typ": "latch-passport+jwt"})

    assert isinstance(verifier().verify(made), Passport)


def confused(algorithm: str, secret: bytes) -> str:
    """The claims under an HMAC whose secret everybody knows; HS512 has signatures as long as Ed25519's."""
    digest = {"HS256": "sha256", "HS512": "sha512"}[algorithm]
    signed = f"{b64(json.dumps({**HEADER, 'alg': algorithm}).encode())}.{b64(json.dumps(CLAIMS).encode())}"
    return f"{signed}.{b64(hmac.digest(secret, signed.encode(), digest))}"


PUBLIC_RAW = KEY.public_key().public_bytes_raw()
PUBLIC_PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
PUBLIC_JWK = json.dumps(jwk(KEY, "k1")).encode()


def twice(first: str, second: str, name: str) -> str:
    """A token whose header has a member twice, signed with our key; parsers differ in which one they take."""
    header = f'{{"typ": "{HEADER["typ"]}", "alg": "EdDSA", "kid": "k1", "{name}": "{first}", "{name}": "{second}"}}'
    signed = f"{b64(header.encode())}.{b64(json.dumps(CLAIMS).encode())}"
    return f"{signed}.{b64(KEY.sign(signed.encode()))}"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("", "malformed"),
        ("a", "malformed"),
        ("a.b.c", "malformed"),
        ("%%%garbage", "malformed"),
        (token() + "=", "malformed"),
        (token() + "\n", "malformed"),
        (" " + token(), "malformed"),
        (token() + ".x", "malformed"),
        (token()[:-1], "malformed"),
        (token().rpartition(".")[0] + ".", "malformed"),
        (token(extra="x" * MAX_TOKEN_CHARS), "malformed"),
        (sign({**HEADER, "crit": ["b64"], "b64": False}, b"{}"), "malformed"),
        (sign({**HEADER, "jwk": jwk(OTHER_KEY, "k1")}, b"{}", OTHER_KEY), "malformed"),
        (sign({**HEADER, "jku": "https://evil.example"}, b"{}"), "malformed"),
        (f"{b64(b'[]')}.e30.{'A' * 86}", "malformed"),
        (f"{b64(bytes([255]))}.e30.{'A' * 86}", "malformed"),
        (f"{b64(b'[' * 300)}.e30.{'A' * 86}", "malformed"),
        (sign(HEADER, b'{"sub": "' + b"x" * 10_000_000 + b'"}'), "malformed"),
        (confused("HS256", PUBLIC_RAW), "malformed"),
        (confused("HS512", PUBLIC_RAW), "algorithm"),
        (confused("HS512", PUBLIC_PEM), "algorithm"),
        (confused("HS512", PUBLIC_JWK), "algorithm"),
        (confused("HS512", b""), "algorithm"),
        (f"{b64(json.dumps({**HEADER, 'alg': 'none'}).encode())}.{b64(json.dumps(CLAIMS).encode())}.", "malformed"),
        (twice("none", "EdDSA", "alg"), "malformed"),
        (twice("EdDSA", "none", "alg"), "malformed"),
        (twice("k1", "evil", "kid"), "malformed"),
        (twice("evil", "k1", "kid"), "malformed"),
        (sign(HEADER, json.dumps(CLAIMS).encode()[:-1] + b', "sub": "eve"}'), "claims"),
        (sign({**HEADER, "alg": "HS256"}, json.dumps(CLAIMS).encode()), "algorithm"),
        (sign({**HEADER, "alg": "none"}, json.dumps(CLAIMS).encode()), "algorithm"),
        (sign({**HEADER, "alg": "Ed25519"}, json.dumps(CLAIMS).encode()), "algorithm"),
        (sign({**HEADER, "alg": "eddsa"}, json.dumps(CLAIMS).encode()), "algorithm"),
        (sign({**HEADER, "alg": ["EdDSA"]}, json.dumps(CLAIMS).encode()), "algorithm"),
        (sign({"kid": "k1", "typ": HEADER["typ"]}, json.dumps(CLAIMS).encode()), "algorithm"),
        (sign({**HEADER, "typ": "JWT"}, json.dumps(CLAIMS).encode()), "type"),
        (sign({"alg": "EdDSA", "kid": "k1"}, json.dumps(CLAIMS).encode()), "type"),
        (token(kid="k2"), "unknown_key"),
        (sign({**HEADER, "kid": None}, b"{}"), "unknown_key"),
        (sign({**HEADER, "kid": ["k1"]}, b"{}"), "unknown_key"),
        (sign({"alg": "EdDSA", "typ": HEADER["typ"]}, b"{}"), "unknown_key"),
        (token(key=OTHER_KEY), "signature"),
        (sign(HEADER, b"not json"), "claims"),
        (sign(HEADER, b"[]"), "claims"),
        (sign(HEADER, b"\xff"), "claims"),
        (token(sub=None), "claims"),
        (token(sub=""), "claims"),
        (token(sub=7), "claims"),
        (token(sid=None), "claims"),
        (token(did=None), "claims"),
        (token(lvl="admin"), "claims"),
        (token(lvl=["fresh"]), "claims"),
        (token(auth_time=None), "claims"),
        (token(iat=None), "claims"),
        (token(exp=None), "claims"),
        (token(exp=str(NOW + 300)), "claims"),
        (token(exp=NOW + 300.5), "claims"),
        (token(exp=True), "claims"),
        (token(nbf="soon"), "claims"),
        (token(iss="https://evil.example"), "issuer"),
        (token(iss=ISSUER + "/"), "issuer"),
        (token(iss=None), "issuer"),
        (token(aud="https://other.example"), "audience"),
        (token(aud=None), "audience"),
        (token(aud=[]), "audience"),
        (token(aud={"https://shop.example": 1}), "audience"),
        (token(exp=NOW - 5), "expired"),
        (token(exp=0), "expired"),
        (token(iat=NOW + 6), "not_yet_valid"),
        (token(nbf=NOW + 6), "not_yet_valid"),
    ],
)
def test_any_other_passport_is_refused_with_its_reason(bad: str, reason: str) -> None:
    """Whatever is wrong with it, the answer is a reason and never an error."""
    assert verifier().verify(bad) == PassportRefused(reason)


@pytest.mark.parametrize(
    "good", [token(exp=NOW - 4), token(iat=NOW + 5), token(nbf=NOW + 5), token(aud=["https://x.example", AUDIENCE])]
)
def test_clocks_may_differ_by_the_leeway(good: str) -> None:
    """Five seconds either way; and one audience of several is enough."""
    assert isinstance(verifier().verify(good), Passport)


@given(st.data())
def test_a_passport_changed_in_any_place_is_refused(data: st.DataObject) -> None:
    """No single changed character leaves another passport that counts."""
    good = token()
    place = data.draw(st.integers(0, len(good) - 1))
    character = data.draw(st.characters(codec="latin-1").filter(lambda c: c != good[place]))
    changed = good[:place] + character + good[place + 1 :]

    found = verifier().verify(changed)

    # The last character of a signature has bits that do not count; the passport is then still the same.
    assert isinstance(found, PassportRefused) or (place == len(good) - 1 and found == verifier().verify(good))


@given(st.text(max_size=200))
def test_any_text_is_refused_without_an_error(text: str) -> None:
    """A verifier in front of a website does not fall over."""
    assert isinstance(verifier().verify(text), PassportRefused)


def test_a_remembered_passport_still_expires() -> None:
    """Being known from before does not prolong it."""
    wall = Wall()
    verify = verifier(now_seconds=wall).verify

    assert isinstance(verify(token()), Passport)
    wall.seconds = NOW + 304
    assert isinstance(verify(token()), Passport)
    wall.seconds = NOW + 305
    assert verify(token()) == PassportRefused("expired")
    assert verify(token()) == PassportRefused("expired")


def test_a_passport_seen_before_is_not_verified_again() -> None:
    """The same object comes back, and only so many are kept, the oldest unused going first."""
    verify = verifier(max_remembered=2).verify
    first, second, third = (token(jti=str(n)) for n in range(3))
    kept = verify(first)

    verify(second)
    assert verify(first) is kept
    verify(third)
    assert verify(first) is kept
    verify(second)
    verify(third)
    assert verify(first) is not kept


async def serve(found: PassportVerifier, *headers: tuple[bytes, bytes], **options: Any) -> tuple[Answered, list[Any]]:
    """One request through the middleware: the answer, and what the app saw as its passport."""
    seen: list[Any] = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        seen.append(scope.get("passport", "untouched"))
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

    kind = options.pop("type", "http")
    answered = await ask(PassportMiddleware(app, found, **options), headers=list(headers), type=kind)
    return answered, seen


async def test_the_app_finds_the_passport_in_its_scope() -> None:
    """Requests and WebSocket handshakes alike."""
    for kind in ("http", "websocket"):
        _, seen = await serve(verifier(), (b"x-latch-passport", token().encode()), type=kind)
        assert [passport.account for passport in seen] == ["ada"]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ([], "passport_absent"),
        ([(b"x-latch-passport", b"")], "passport_absent"),
        ([(b"x_latch_passport", token().encode())], "passport_absent"),
        ([(b"x.latch.passport", token().encode())], "passport_absent"),
        ([(b"authorization", b"Bearer " + token().encode())], "passport_absent"),
        ([(b"x-latch-passport", token().encode())] * 2, "passport_malformed"),
        ([(b"x-latch-passport", b"\xff\x00")], "passport_malformed"),
        ([(b"x-latch-passport", token(exp=NOW - 60).encode())], "passport_expired"),
    ],
)
async def test_without_a_good_passport_nobody_is_there(headers: list[tuple[bytes, bytes]], code: str) -> None:
    """The app sees None; where a passport is required it is not reached, and the client gets 401 with the reason."""
    _, seen = await serve(verifier(), *headers)
    answered, unseen = await serve(verifier(), *headers, required=True)

    assert seen == [None]
    assert unseen == []
    assert (answered.status, json.loads(answered.body)["code"]) == (401, code)


async def test_a_websocket_without_a_passport_is_not_opened() -> None:
    """The handshake is closed before it is accepted."""
    answered, seen = await serve(verifier(), required=True, type="websocket")

    assert ([message["type"] for message in answered.messages], seen) == (["websocket.close"], [])


async def test_start_up_has_no_passport() -> None:
    """Other scopes pass untouched."""
    _, seen = await serve(verifier(), required=True, type="lifespan")

    assert seen == ["untouched"]


async def test_keys_that_cannot_be_had_are_no_reason_to_say_not_signed_in() -> None:
    """503 with Retry-After, never 401, while nobody can tell."""

    async def fetch() -> Mapping[str, Any]:
        raise OSError("no route")

    answered, _ = await serve(verifier(jwks=None, fetch=fetch), (b"x-latch-passport", token().encode()), required=True)

    assert (answered.status, json.loads(answered.body)["code"]) == (503, "passport_keys_unavailable")
    assert answered.header(b"retry-after") == b"5"


async def test_the_first_passport_waits_for_the_first_keys() -> None:
    """A website that has just started does not turn its first visitor away."""

    async def fetch() -> Mapping[str, Any]:
        return JWKS

    _, seen = await serve(verifier(jwks=None, fetch=fetch), (b"x-latch-passport", token().encode()), required=True)

    assert [passport.account for passport in seen] == ["ada"]


def test_a_verifier_without_any_keys_is_a_mistake() -> None:
    """It could only ever refuse."""
    with pytest.raises(ValueError):
        PassportVerifier(issuer=ISSUER, audience=AUDIENCE)
