"""Proofs of a key: what RFC 9449 section 4.3 asks of one, each point broken in turn."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from harness.app_key import AppKey
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.ids import to_text
from latchstring_gateway.tokens.codec import Codec
from latchstring_gateway.tokens.dpop import CLOCKS_SECONDS, NONCE_SECONDS, Proofs, Proven, Unproven
from latchstring_gateway.tokens.keyfile import RingKey, dump
from latchstring_gateway.tokens.keyring import KeyRing
from latchstring_gateway.tokens.purposes import DeviceToken

SITE = "https://www.example.com"
URL = f"{SITE}/watch/7"
KEY = AppKey()
NOW = 1_800_000_000


@pytest.fixture(scope="module")
def proofs(codec: Codec, clock: ManualClock) -> Proofs:
    """Those of one worker."""
    return Proofs(codec, clock, site=SITE)


def _proof(key: AppKey = KEY, *, method: str = "GET", url: str = URL, **claims: Any) -> str:
    return key.proof(method, url, **{"iat": NOW, **claims})


def _judge(proofs: Proofs, *sent: str | bytes, **more: Any) -> Proven | Unproven:
    raw = [one.encode("latin-1") if isinstance(one, str) else one for one in sent]
    return proofs.judge(raw, **{"method": "GET", "target": "/watch/7?from=home", **more})


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_a_proof_tells_the_thumbprint_of_its_key(proofs: Proofs, algorithm: str) -> None:
    """As another library computes it, and the name by which the proof can be told from others."""
    key = AppKey(algorithm)
    proven = _judge(proofs, _proof(key, jti="once"))

    assert isinstance(proven, Proven)
    assert (to_text(proven.thumbprint), proven.jti) == (key.thumbprint, "once")


def test_ed25519_goes_by_its_new_name_too(proofs: Proofs) -> None:
    """RFC 9864: the same signature under the name "Ed25519"."""
    key = AppKey("EdDSA")
    header = {"typ": "dpop+jwt", "alg": "Ed25519", "jwk": key.jwk}
    claims = {"jti": "x", "htm": "GET", "htu": URL, "iat": NOW}
    signed = f"{_part(header)}.{_part(claims)}"
    signature = urlsafe_b64encode(key.private.sign(signed.encode())).rstrip(b"=").decode()

    assert isinstance(_judge(proofs, f"{signed}.{signature}"), Proven)


def test_what_else_a_public_key_says_changes_nothing(proofs: Proofs) -> None:
    """Browsers export more members than the thumbprint is made of, and headers may say things nobody knows here."""
    jwk = {**KEY.jwk, "ext": True, "key_ops": ["verify"], "kid": "1", "use": "sig", "alg": "ES256"}
    proven = _judge(proofs, _proof(header={"jwk": jwk, "unheard-of": 1}))

    assert isinstance(proven, Proven)
    assert to_text(proven.thumbprint) == KEY.thumbprint


def _part(content: Any) -> str:
    return (
        urlsafe_b64encode(content if isinstance(content, bytes) else json.dumps(content).encode()).rstrip(b"=").decode()
    )


def _altered(proof: str, **claims: Any) -> str:
    """The claims changed after they were signed."""
    header, payload, signature = proof.split(".")
    said = json.loads(urlsafe_b64decode(payload + "=="))
    return f"{header}.{_part({**said, **claims})}.{signature}"


def _signed(header: dict[str, Any], payload: Any = None) -> str:
    """Rightly signed, whatever it says."""
    said = {"typ": "dpop+jwt", "alg": "ES256", "jwk": KEY.jwk, **header}
    claims = {"jti": "x", "htm": "GET", "htu": URL, "iat": NOW} if payload is None else payload
    signed = f"{_part(said)}.{_part(claims)}"
    return f"{signed}.{_part(ECAlgorithm(ECAlgorithm.SHA256).sign(signed.encode(), KEY.private))}"


def test_the_proofs_below_are_bad_for_one_reason_alone(proofs: Proofs) -> None:
    """What they are altered from is good."""
    assert isinstance(_judge(proofs, _signed({})), Proven)
    assert isinstance(_judge(proofs, _proof()), Proven)


def _by(private: Any, algorithm: str, jwk: Any) -> str:
    claims = {"jti": "x", "htm": "GET", "htu": URL, "iat": NOW}
    return jwt.encode(claims, private, algorithm=algorithm, headers={"typ": "dpop+jwt", "jwk": jwk})


_P384 = generate_private_key(SECP384R1())
_P384_JWK = ECAlgorithm.to_jwk(_P384.public_key(), as_dict=True)
_RSA = generate_rsa(public_exponent=65_537, key_size=2_048)
_OTHER = AppKey()

_NO_PROOFS: dict[str, str | bytes] = {
    "nothing": "",
    "noise": "v1.a.b.c",
    "bytes": b"\xff\xfe",
    "two parts": ".".join(_proof().split(".")[:2]),
    "four parts": _proof() + ".AAAA",
    "two in one header": f"{_proof()}, {_proof()}",
    "no signature": ".".join([*_proof().split(".")[:2], ""]),
    "padded": _proof() + "==",
    "too long": _proof(much="x" * 5_000),
    "not signed": _by(None, "none", KEY.jwk),
    "a shared secret": _by("s" * 32, "HS256", KEY.jwk),
    "a shared secret that says so": _by("s" * 32, "HS256", {"kty": "oct", "k": "c3Nzcw"}),
    "rsa": _by(_RSA, "RS256", RSAAlgorithm.to_jwk(_RSA.public_key(), as_dict=True)),
    "another curve": _by(_P384, "ES384", _P384_JWK),
    "another curve called ours": _by(_P384, "ES384", {**_P384_JWK, "crv": "P-256"}),
    "somebody else's key": _proof(header={"jwk": _OTHER.jwk}),
    "altered": _altered(_proof(), htm="POST"),
    "the algorithm of another kind of key": _signed({"jwk": AppKey("EdDSA").jwk}),
    "a key of one kind called another": _proof(header={"jwk": {**KEY.jwk, "kty": "OKP", "crv": "Ed25519"}}),
    "another type": _proof(header={"typ": "JWT"}),
    "no type": _proof(header={"typ": None}),
    "no key": _proof(header={"jwk": None}),
    "a key that is a text": _proof(header={"jwk": "key"}),
    "a key that is a list": _proof(header={"jwk": [KEY.jwk]}),
    "a point off the curve": _signed({"jwk": {**KEY.jwk, "x": "A" * 43}}),
    "a longer spelling of the key": _signed({"jwk": {**KEY.jwk, "x": "AAAA" + KEY.jwk["x"]}}),
    "a private key": _proof(header={"jwk": {**KEY.jwk, "d": "A" * 43}}),
    "a blank private key": _proof(header={"jwk": {**KEY.jwk, "d": ""}}),
    "critical": _proof(header={"crit": ["exp"], "exp": 1}),
    "critical, of a wrong type": _signed({"crit": 7}),
    "a bare payload": _signed({"crit": ["b64"], "b64": False}),
    "a nest": _signed({}, b"[" * 900),
    "a nest for a header": f"{_part(b'[' * 380)}.{_part({})}.AAAA",
    "a list": _signed({}, []),
    "no name": _proof(jti=None),
    "a blank name": _proof(jti=""),
    "a long name": _proof(jti="x" * 257),
    "a number for a name": _proof(jti=7),
    "no method": _proof(htm=None),
    "no address": _proof(htu=None),
    "no time": _proof(iat=None),
    "a time in words": _proof(iat="now"),
    "a time that is true": _proof(iat=True),
    "no time at all": _proof(iat=float("nan")),
    "endless time": _proof(iat=float("inf")),
    "half a character": _proof(jti="\ud800"),
    "a nonce that is a number": _proof(nonce=7),
}  # fmt: skip


@pytest.mark.parametrize("name", _NO_PROOFS)
def test_what_is_no_proof_is_told_so(proofs: Proofs, name: str) -> None:
    """Unsigned, signed by another, with a secret, with a private key in it, malformed: none proves a key."""
    told = _judge(proofs, _NO_PROOFS[name])

    assert isinstance(told, Unproven)
    assert told.error == "invalid_dpop_proof"
    assert "dpop+jwt" in told.detail


@settings(max_examples=300)
@given(st.binary(max_size=200) | st.text(alphabet='eyJ.AQ=_-{}[]"', max_size=200).map(str.encode))
def test_no_noise_makes_it_raise(proofs: Proofs, noise: bytes) -> None:
    """Whatever comes is judged."""
    assert isinstance(_judge(proofs, noise), Unproven)


@settings(max_examples=300)
@given(
    st.dictionaries(
        st.sampled_from(["typ", "alg", "jwk", "crit", "b64", "kid"]),
        st.none() | st.integers() | st.text(max_size=8) | st.lists(st.text(max_size=4), max_size=3) | st.just(KEY.jwk),
    )
)
def test_no_header_makes_it_raise(proofs: Proofs, header: dict[str, Any]) -> None:
    """Nor do members of types that nobody expects."""
    _judge(proofs, _signed(header))


@pytest.mark.parametrize("sent", [(), (_proof(), _proof()), (_proof(jti="a"),) * 2])
def test_there_is_one_header(proofs: Proofs, sent: tuple[str, ...]) -> None:
    """None and two are refused: which one another reader would take, nobody knows."""
    assert _judge(proofs, *sent) == Unproven("invalid_dpop_proof", "expected one DPoP header")


@pytest.mark.parametrize("method", ["POST", "get", "Get", "HEAD", ""])
def test_a_proof_is_for_one_method(proofs: Proofs, method: str) -> None:
    """Letter for letter."""
    told = _judge(proofs, _proof(method=method))

    assert told == Unproven("invalid_dpop_proof", "expected the method of this request as htm")


@pytest.mark.parametrize(
    "url",
    [
        URL,
        f"{URL}?from=elsewhere#part",
        "HTTPS://WWW.Example.COM/watch/7",
        "https://www.example.com:443/watch/7",
        f"{SITE}/%77atch/%37",
    ],
)
def test_an_address_may_be_spelled_otherwise(proofs: Proofs, url: str) -> None:
    """Query and fragment do not count, nor do case of host, default port and needless escapes."""
    assert isinstance(_judge(proofs, _proof(url=url)), Proven)


@pytest.mark.parametrize(
    "url",
    [
        "http://www.example.com/watch/7",
        "https://example.com/watch/7",
        "https://www.example.com:8443/watch/7",
        "https://www.example.com:443:443/watch/7",
        "https://ada@www.example.com/watch/7",
        "https://www.example.com./watch/7",
        f"{SITE}/watch/8",
        f"{SITE}/watch/7/",
        f"{SITE}/Watch/7",
        f"{SITE}//watch/7",
        f"{SITE}/watch%2F7",
        f"{SITE}/x/../watch/7",
        SITE,
        "/watch/7",
        "//www.example.com/watch/7",
        "",
        "javascript:alert(1)",
    ],
)
def test_a_proof_is_for_one_address(proofs: Proofs, url: str) -> None:
    """Another scheme, host, port or path is another address."""
    told = _judge(proofs, _proof(url=url))

    assert told == Unproven("invalid_dpop_proof", "expected the address of this request as htu")


def test_a_host_without_a_path_is_its_root(proofs: Proofs) -> None:
    """RFC 3986 section 6.2.3; and of a site that a proxy names it is the proxy's word that counts."""
    shop = "https://shop.example.com:8443"

    assert isinstance(_judge(proofs, _proof(url=SITE), target="/"), Proven)
    assert isinstance(_judge(proofs, _proof(url=f"{shop}/watch/7"), site=shop), Proven)
    assert isinstance(_judge(proofs, _proof(), site=shop), Unproven)


def test_our_own_host_is_our_own_site_whatever_port_a_proxy_says(codec: Codec, clock: ManualClock) -> None:
    """The `$host` of nginx leaves the port out; scheme and port of a proof are those of LATCHSTRING_PUBLIC_ORIGIN."""
    ours = Proofs(codec, clock, site="https://localhost:8443")

    for site, url, expected in (
        ("https://localhost", "https://localhost:8443/watch/7", Proven),
        ("http://localhost:80", "https://localhost:8443/watch/7", Proven),
        ("https://localhost", "https://localhost/watch/7", Unproven),
        ("https://localhost.example.com", "https://localhost:8443/watch/7", Unproven),
        ("https://[::1]:8443", "https://localhost:8443/watch/7", Unproven),
    ):
        assert isinstance(_judge(ours, _proof(url=url), site=site), expected), (site, url)


@pytest.mark.parametrize("ath", [None, "", "A" * 43, "\N{TELEVISION}"])
def test_beside_a_token_a_proof_is_for_that_token(proofs: Proofs, ath: str | None) -> None:
    """The hash of the access token must be there, and its own."""
    right = _judge(proofs, _proof(access_token="v1.a.b.c"), access_token=b"v1.a.b.c")
    wrong = _judge(proofs, _proof(access_token="v1.a.b.c", ath=ath), access_token=b"v1.a.b.c")

    assert isinstance(right, Proven)
    assert wrong == Unproven("invalid_dpop_proof", "expected the hash of this access token as ath")


def _time(told: Proven | Unproven) -> str:
    return "ok" if isinstance(told, Proven) else told.error


@pytest.mark.parametrize(
    ("ago", "expected"),
    [
        (0, "ok"),
        (CLOCKS_SECONDS - 1, "ok"),
        (CLOCKS_SECONDS + 1, "use_dpop_nonce"),
        (-CLOCKS_SECONDS + 1, "ok"),
        (-CLOCKS_SECONDS - 1, "use_dpop_nonce"),
        (NOW, "use_dpop_nonce"),
        (-(10**15), "use_dpop_nonce"),
    ],
)
def test_without_a_nonce_the_clients_clock_counts(proofs: Proofs, ago: float, expected: str) -> None:
    """A minute either way; a TV whose clock is wrong is asked for a nonce instead of being shut out."""
    assert _time(_judge(proofs, _proof(iat=NOW - ago))) == expected


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (0, "ok"),
        (NONCE_SECONDS - 1, "ok"),
        (NONCE_SECONDS + 1, "use_dpop_nonce"),
        (-CLOCKS_SECONDS + 1, "ok"),
        (-CLOCKS_SECONDS - 1, "use_dpop_nonce"),
    ],
)
def test_the_time_of_a_proof_is_that_of_its_nonce(codec: Codec, clock: ManualClock, age: float, expected: str) -> None:
    """Whatever the TV's clock says; and a worker whose own clock lags a little takes another's nonce."""
    then = ManualClock(clock.wall_ms())
    then.step_wall(-age)
    nonce = Proofs(codec, then, site=SITE).nonce()
    proof = _proof(nonce=nonce, iat=0)

    assert _time(_judge(Proofs(codec, clock, site=SITE), proof, needs_nonce=True)) == expected


def test_any_worker_takes_the_nonce_of_another_and_nobody_elses(
    test_key: RingKey, codec: Codec, clock: ManualClock, proofs: Proofs
) -> None:
    """What counts is the key ring that they share; a token of another purpose is no nonce."""
    other = Codec(KeyRing.from_json(dump([test_key]), clock))
    given = Proofs(other, clock, site=SITE).nonce()
    bad = ["", "x", "\N{TELEVISION}", given[:-2] + "AA", codec.seal(DeviceToken(b"b" * 16, NOW)).decode()]

    assert _time(_judge(proofs, _proof(nonce=given), needs_nonce=True)) == "ok"
    assert {_time(_judge(proofs, _proof(nonce=nonce))) for nonce in bad} == {"use_dpop_nonce"}
    assert _time(_judge(proofs, _proof(), needs_nonce=True)) == "use_dpop_nonce"


def test_a_nonce_is_text_that_a_header_may_carry(proofs: Proofs) -> None:
    """The characters of RFC 9449 section 8.1."""
    assert all(0x21 <= ord(c) <= 0x7E and c not in '"\\' for c in proofs.nonce())
