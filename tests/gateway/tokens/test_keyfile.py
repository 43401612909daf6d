"""The key file: what it must look like, and how it is written."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchstring_gateway.tokens.keyfile import KeyState, RingKey, dump, new_key, parse, replace, write_new

SECRET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
ROW: dict[str, Any] = {"id": "tEst01", "state": "active", "created_at_ms": 1, "not_before_ms": 1, "secret": SECRET}
KEYS = st.builds(
    RingKey,
    id=st.from_regex(r"[A-Za-z0-9_-]{4,8}", fullmatch=True),
    state=st.sampled_from(KeyState),
    created_at_ms=st.integers(0, 2**53 - 1),
    not_before_ms=st.integers(0, 2**53 - 1),
    secret=st.binary(min_size=32, max_size=32),
)


@given(st.lists(KEYS, unique_by=(lambda key: key.id, lambda key: key.secret), max_size=5))
def test_what_is_dumped_parses_to_the_same(keys: list[RingKey]) -> None:
    """Writing keys down and reading them again loses nothing."""
    assert parse(dump(keys), need_active=False) == (tuple(keys), [])


@given(st.text(max_size=60) | st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists).map(json.dumps))
def test_any_text_is_parsed_or_has_a_problem(text: str) -> None:
    """No text makes the parser raise, and no text without keys passes."""
    keys, problems = parse(text)

    assert problems
    assert keys == ()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"id": "abc"}, "key 1: id: expected 4 to 8 base64url characters"),
        ({"id": "abc\n"}, "key 1: id: expected 4 to 8 base64url characters"),
        ({"id": 1234}, "key 1: id: expected 4 to 8 base64url characters"),
        ({"state": "Active"}, "key 1: state: expected one of active, verify-only, retired"),
        ({"state": []}, "key 1: state: expected one of active, verify-only, retired"),
        ({"state": "retired"}, "there is no active key: run `latchstring keys rotate`"),
        ({"secret": SECRET + "="}, "key 1: secret: expected 32 bytes as 43 base64url characters"),
        ({"secret": SECRET[:-1] + "9"}, "key 1: secret: expected 32 bytes as 43 base64url characters"),
        ({"secret": "short"}, "key 1: secret: expected 32 bytes as 43 base64url characters"),
        ({"secret": None}, "key 1: secret: expected 32 bytes as 43 base64url characters"),
        ({"created_at_ms": True}, "key 1: created_at_ms: expected milliseconds since 1970"),
        ({"not_before_ms": 1.5}, "key 1: not_before_ms: expected milliseconds since 1970"),
        ({"not_before_ms": -1}, "key 1: not_before_ms: expected milliseconds since 1970"),
        ({"stat": "active"}, "key 1: stat: unknown field"),
    ],
)
def test_wrong_field_is_named(changes: dict[str, Any], problem: str) -> None:
    """Each wrong field is named with what was expected."""
    assert parse(json.dumps({"keys": [ROW | changes]}))[1] == [problem]


def test_all_problems_are_told_at_once() -> None:
    """One reading names everything that is wrong, and quotes no secret."""
    rows = [ROW, ROW, 7, ROW | {"id": "x", "state": "on", "secret": SECRET[:-1]}]

    _, problems = parse(json.dumps({"keys": rows}))

    assert problems == [
        "key 3: expected an object",
        "key 4: id: expected 4 to 8 base64url characters",
        "key 4: state: expected one of active, verify-only, retired",
        "key 4: secret: expected 32 bytes as 43 base64url characters",
        "the id tEst01 is there twice: remove one",
        "two keys share one secret: remove one of them",
    ]
    assert SECRET[:-1] not in str(problems)


def test_secret_is_in_no_repr() -> None:
    """A key that ends up in a log or a traceback does not carry its secret there."""
    key = new_key(0, not_before_ms=0)

    assert repr(key.secret) not in repr(key)
    assert "secret" not in repr(key)


def test_derived_keys_differ() -> None:
    """The HMAC keys of two purposes, and the passport's seed, are unlike each other and the secret."""
    key = new_key(0, not_before_ms=0)

    assert len({key.secret, key.derive(b"session"), key.derive(b"device"), key.passport_seed()}) == 4


def test_new_id_is_not_taken_and_is_no_option() -> None:
    """A new key's id is a fresh one, of letters and digits, so that a command line does not take it for an option."""
    ids = {new_key(0, not_before_ms=0).id for _ in range(200)}

    assert len(ids) == 200
    assert all(key_id.isalnum() and len(key_id) == 6 for key_id in ids)


def test_write_new_refuses_an_existing_file(tmp_path: Path) -> None:
    """A file that is there is left alone, and nothing is left lying beside it."""
    path = tmp_path / "keys.json"
    path.write_text("precious")

    with pytest.raises(FileExistsError):
        write_new(path, "other")

    assert path.read_text() == "precious"
    assert os.listdir(tmp_path) == ["keys.json"]  # noqa: PTH208 (the names are what is compared)


def test_replace_keeps_mode_and_follows_a_link(tmp_path: Path) -> None:
    """Replacing through a symbolic link changes the file it points to, whole, and keeps its mode."""
    real, link = tmp_path / "real.json", tmp_path / "keys.json"
    write_new(real, "old")
    real.chmod(0o400)
    link.symlink_to(real)

    replace(link, "new")

    assert link.is_symlink()
    assert real.read_text() == "new"
    assert real.stat().st_mode & 0o777 == 0o400
    assert {path.name for path in tmp_path.iterdir()} == {"real.json", "keys.json"}
