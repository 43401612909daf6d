"""What an app states of its device: believed if a key of this client's signed it for us, and never otherwise."""

import json
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from latchstring_gateway.activation.statement import MAX_STATEMENT_BYTES, StatementKeysError, Statements, load_keys
from latchstring_gateway.recognition.makers import Make

_SITE = "https://www.example.com"
_CLIENT = "living-room-app"
_P256, _ED25519, _STRANGER = ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519"), ECKey.generate_key("P-256")
_CLAIMS = {"iss": _CLIENT, "aud": _SITE, "brand": "Acme", "model": "Aurora 55", "hardware_id": "AC-55-0017"}
_HEADER = {"typ": "device-statement+jwt", "alg": "ES256"}


def _file(tmp_path: Path, *rows: Any) -> Path:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({_CLIENT: {"keys": list(rows)}}))
    return path


@pytest.fixture
def statements(tmp_path: Path) -> Statements:
    """Those of one client with two keys."""
    rows = {"kid": "2026", **_P256.as_dict(private=False)}, _ED25519.as_dict(private=False)
    return Statements(load_keys(_file(tmp_path, *rows)), audience=_SITE)


def _signed(claims: Any = _CLAIMS, header: Any = _HEADER, key: Any = _P256) -> str:
    text = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    registry = jws.JWSRegistry(algorithms=["ES256", "EdDSA", "HS256", "RS256", "ES512"], strict_check_header=False)
    return jws.serialize_compact(header, text, key, registry=registry)


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_a_statement_is_read_whichever_of_the_keys_signed_it(statements: Statements) -> None:
    """By name or without, by either algorithm; what is not stated is empty."""
    by_name = _signed(header={**_HEADER, "kid": "2026"})
    by_other = _signed({"iss": _CLIENT, "aud": _SITE}, {**_HEADER, "alg": "EdDSA"}, _ED25519)
    read, bare = statements.read(_CLIENT, by_name), statements.read(_CLIENT, by_other)

    assert read is not None
    assert (read.make, read.hardware_id) == (Make("Acme", "Aurora 55"), "AC-55-0017")
    assert bare is not None
    assert (bare.make, bare.hardware_id) == (Make("", ""), "")
    assert statements.read(_CLIENT, _signed()) == read


@pytest.mark.parametrize(
    ("claims", "header", "key"),
    [
        (_CLAIMS, _HEADER, _STRANGER),
        (_CLAIMS, {**_HEADER, "kid": "other"}, _P256),
        (_CLAIMS, {**_HEADER, "typ": "JWT"}, _P256),
        (_CLAIMS, {"alg": "ES256"}, _P256),
        (_CLAIMS, {**_HEADER, "crit": ["b64"], "b64": True}, _P256),
        (
            _CLAIMS,
            {**_HEADER, "alg": "HS256"},
            OctKey.import_key({"kty": "oct", "k": str(_P256.as_dict(private=False)["x"])}),
        ),
        ({**_CLAIMS, "iss": "console-app"}, _HEADER, _P256),
        ({**_CLAIMS, "aud": "https://elsewhere.example"}, _HEADER, _P256),
        ({**_CLAIMS, "aud": [_SITE]}, _HEADER, _P256),
        ({"brand": "Acme"}, _HEADER, _P256),
        ({**_CLAIMS, "model": "x" * 61}, _HEADER, _P256),
        ({**_CLAIMS, "model": "a\nb"}, _HEADER, _P256),
        ({**_CLAIMS, "model": "\u202egnimaG"}, _HEADER, _P256),
        ({**_CLAIMS, "model": 7}, _HEADER, _P256),
        ({**_CLAIMS, "hardware_id": "x" * 257}, _HEADER, _P256),
        (b"[]", _HEADER, _P256),
        (b"[" * 2_000, _HEADER, _P256),
        (b"\xff", _HEADER, _P256),
    ],
)
def test_anything_else_is_no_statement(statements: Statements, claims: Any, header: Any, key: Any) -> None:
    """Foreign, unsigned for us, of another kind, or saying what cannot be shown."""
    assert statements.read(_CLIENT, _signed(claims, header, key)) is None


def test_an_old_key_is_good_beside_a_new_one(tmp_path: Path) -> None:
    """Without a name in the header every key of the kind is tried."""
    rows = _STRANGER.as_dict(private=False), _P256.as_dict(private=False)
    both = Statements(load_keys(_file(tmp_path, *rows)), audience=_SITE)

    assert both.read(_CLIENT, _signed()) == both.read(_CLIENT, _signed(key=_STRANGER)) is not None


def test_it_counts_for_the_client_whose_key_signed_it(statements: Statements) -> None:
    """Another client has its own keys, or none."""
    assert statements.read("console-app", _signed({**_CLAIMS, "iss": "console-app"})) is None
    assert Statements({}, audience=_SITE).read(_CLIENT, _signed()) is None


def test_an_unsigned_or_altered_one_is_none(statements: Statements) -> None:
    """`alg: none`, another's signature, another payload, a megabyte."""
    header, payload, signature = _signed().split(".")
    none = urlsafe_b64encode(b'{"typ":"device-statement+jwt","alg":"none"}').decode().rstrip("=")
    other = _signed({**_CLAIMS, "model": "Other"}).split(".")

    for text in (
        f"{none}.{payload}.",
        f"{header}.{payload}.",
        f"{header}.{other[1]}.{signature}",
        f"{header}.{payload}",
        _signed({**_CLAIMS, "more": "x" * MAX_STATEMENT_BYTES}),
        "x" * 1_000_000,
    ):
        assert statements.read(_CLIENT, text) is None


@given(st.text(max_size=200))
def test_no_text_is_too_strange(text: str) -> None:
    """It never raises."""
    assert Statements({}, audience=_SITE).read(_CLIENT, text) is None


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (_P256.as_dict(private=True), "private"),
        (OctKey.generate_key().as_dict(private=True), "public keys only"),
        (RSAKey.generate_key(2048).as_dict(private=False), "P-256"),
        (ECKey.generate_key("P-384").as_dict(private=False), "P-256"),
        ({"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43}, "P-256"),
        ({}, "P-256"),
    ],
)
def test_a_key_that_cannot_be_used_is_told_at_start(tmp_path: Path, row: Any, told: str) -> None:
    """A private one above all, and without repeating it."""
    with pytest.raises(StatementKeysError, match=told) as wrong:
        load_keys(_file(tmp_path, row))

    assert str(row.get("d", "no such")) not in str(wrong.value)


@pytest.mark.parametrize("text", ["", "[]", '{"a": []}', '{"a": {}}', '{"a": {"keys": [7]}}'])
def test_a_file_that_is_none_is_told(tmp_path: Path, text: str) -> None:
    """What was expected instead; so is one that is not there."""
    path = tmp_path / "keys.json"
    with pytest.raises(StatementKeysError, match="No such file"):
        load_keys(path)
    path.write_text(text)

    with pytest.raises(StatementKeysError, match="expected"):
        load_keys(path)
