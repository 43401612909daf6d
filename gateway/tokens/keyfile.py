"""The key file: its JSON form, and how it is written without ever being half there.

{"keys": [{"id": "k3Vx9q", "state": "active", "created_at_ms": 1800000000000, "not_before_ms": 1800000000000,
           "secret": "<32 bytes, base64url, 43 characters>"}]}
"""

import hmac
import json
import os
import re
import secrets
import string
from base64 import urlsafe_b64decode
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from ..ids import to_text

SECRET_BYTES: Final = 32
KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{4,8}")
_FIELDS: Final = ("id", "state", "created_at_ms", "not_before_ms", "secret")
_PASSPORT_LABEL: Final = b"latchstring passport"
# Letters and digits only: an id that begins with "-" would read as an option on a command line.
_NEW_ID_ALPHABET: Final = string.ascii_letters + string.digits
_MAX_MS: Final = 2**53 - 1


class KeyState(StrEnum):
    """What a key may still do: `active` signs and verifies, `verify-only` verifies, `retired` does neither."""

    ACTIVE = "active"
    VERIFY_ONLY = "verify-only"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class RingKey:
    """One key of the ring; its secret appears in no `repr`.

    `not_before_ms` holds back signing only: another worker's clock may be ahead of ours, so its tokens verify at once.
    """

    id: str
    state: KeyState
    created_at_ms: int
    not_before_ms: int
    secret: bytes = field(repr=False)

    def derive(self, purpose: bytes) -> bytes:
        """The HMAC key of one purpose: itsdangerous' `key_derivation="hmac"` with the purpose as salt, SHA-256."""
        return hmac.digest(self.secret, purpose, "sha256")

    def passport_seed(self) -> bytes:
        """The 32-byte Ed25519 seed of this key's passport key: HMAC-SHA256(secret, "latchstring passport").

        So one rotation serves cookies and passports alike, and the file holds one secret a key.
        """
        return hmac.digest(self.secret, _PASSPORT_LABEL, "sha256")


def new_key(now_ms: int, *, not_before_ms: int, taken_ids: Collection[str] = ()) -> RingKey:
    """A fresh active key with an id that is not in `taken_ids`."""
    while (key_id := "".join(secrets.choice(_NEW_ID_ALPHABET) for _ in range(6))) in taken_ids:
        continue
    return RingKey(key_id, KeyState.ACTIVE, now_ms, not_before_ms, secrets.token_bytes(SECRET_BYTES))


def dump(keys: Iterable[RingKey]) -> str:
    """The JSON text of a key file."""
    rows = [
        {
            "id": key.id,
            "state": key.state.value,
            "created_at_ms": key.created_at_ms,
            "not_before_ms": key.not_before_ms,
            "secret": to_text(key.secret),
        }
        for key in keys
    ]
    return json.dumps({"keys": rows}, indent=2) + "\n"


def parse(text: str, *, need_active: bool = True) -> tuple[tuple[RingKey, ...], list[str]]:
    """The keys of a key file, and everything wrong with it; the keys count only if there is no problem.

    Without an active key nothing can be signed: that is a problem too, unless the caller is about to add one.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        where = f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else "inside"
        return (), [f"it is not JSON ({where}): restore it from a backup"]
    except RecursionError:
        return (), ["it is nested too deeply: restore it from a backup"]
    rows = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        return (), ['expected an object with a list "keys": restore it from a backup']
    problems: list[str] = []
    keys = [key for number, row in enumerate(rows, 1) if (key := _parse_key(number, row, problems))]
    ids = [key.id for key in keys]
    problems += [f"the id {name} is there twice: remove one" for name in sorted({i for i in ids if ids.count(i) > 1})]
    if len({key.secret for key in keys}) < len(keys):
        problems.append("two keys share one secret: remove one of them")
    if need_active and not problems and not any(key.state is KeyState.ACTIVE for key in keys):
        problems.append("there is no active key: run `latchstring keys rotate`")
    return tuple(keys), problems


def _parse_key(number: int, row: object, problems: list[str]) -> RingKey | None:
    """One key, or None after saying in `problems` what is wrong with it; never quotes a secret."""
    if not isinstance(row, dict):
        problems.append(f"key {number}: expected an object")
        return None
    found: list[str] = []
    key_id, state, secret = row.get("id"), row.get("state"), _secret_bytes(row.get("secret"))
    if not (isinstance(key_id, str) and KEY_ID.fullmatch(key_id)):
        found.append("id: expected 4 to 8 base64url characters")
    if not (isinstance(state, str) and state in list(KeyState)):
        found.append(f"state: expected one of {', '.join(KeyState)}")
    if len(secret) != SECRET_BYTES:
        found.append("secret: expected 32 bytes as 43 base64url characters")
    found += [f"{name}: expected milliseconds since 1970" for name in _FIELDS[2:4] if not _is_ms(row.get(name))]
    found += [f"{name}: unknown field" for name in row if name not in _FIELDS]
    problems += [f"key {number}: {problem}" for problem in found]
    if found:
        return None
    return RingKey(str(key_id), KeyState(str(state)), row["created_at_ms"], row["not_before_ms"], secret)


def _is_ms(value: object) -> bool:
    return type(value) is int and 0 <= value <= _MAX_MS


def _secret_bytes(value: object) -> bytes:
    """The secret, or b"" unless it is the one spelling that `dump` writes."""
    if not isinstance(value, str) or len(value) != 43 or not value.isascii():
        return b""
    try:
        raw = urlsafe_b64decode(value + "=")
    except ValueError:
        # A character of another alphabet is dropped in silence, and then the padding is wrong.
        return b""
    return raw if to_text(raw) == value else b""


def write_new(path: Path, text: str) -> None:
    """Make `path` with mode 0600, whole and on disk, or not at all; FileExistsError if it is there already."""
    temporary = _write_beside(path, text, mode=0o600)
    try:
        path.hardlink_to(temporary)
    finally:
        temporary.unlink()
    _sync_directory(path.parent)


def replace(path: Path, text: str) -> None:
    """Replace `path` atomically and durably; mode and owner stay as they were."""
    target = path.resolve()
    before = target.stat()
    temporary = _write_beside(target, text, mode=before.st_mode & 0o777)
    try:
        if (os.geteuid(), os.getegid()) != (before.st_uid, before.st_gid):
            os.chown(temporary, before.st_uid, before.st_gid)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(target.parent)


def _write_beside(path: Path, text: str, *, mode: int) -> Path:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink()
        raise
    return temporary


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
