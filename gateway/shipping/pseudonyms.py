"""Keyed hashes that stand for people: which visitor, which account; nobody without the key finds whom they stand for.

data/pseudonyms.key      32 random bytes in hexadecimal, made when first needed; the same on every node
"""

import contextlib
import hashlib
import re
import secrets
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

from ..ids import to_text
from ..tokens.keyfile import write_new
from .durable import private_directory

FILE: Final = "pseudonyms.key"
_KEY_BYTES: Final = 32
_WRITTEN: Final = re.compile(rf"[0-9a-f]{{{2 * _KEY_BYTES}}}\n?")

#: Whose name it is: our visitor cookie's, a tracker's own for its visitor, the website's for the account, and for whom
#: a mail went to.
Kind: TypeAlias = Literal["cookie", "tracker", "user", "recipient"]


class PseudonymKeyError(Exception):
    """The key file holds no key; the argument is its path."""

    def __str__(self) -> str:
        return f"expected 64 hexadecimal digits in {self.args[0]}; restore it from a backup or from another node"


class Pseudonyms:
    """Hashes names under one key; a name of one kind never has the hash of one of another kind."""

    def __init__(self, key: bytes) -> None:
        self._keyed = {kind: hashlib.blake2b(key=key, digest_size=16, person=kind.encode()) for kind in get_args(Kind)}

    @classmethod
    def at(cls, data_dir: Path) -> "Pseudonyms":
        """Those of a data directory; the key is made if there is none. Raises PseudonymKeyError, OSError."""
        path = data_dir / FILE
        private_directory(data_dir)
        if not path.exists():
            with contextlib.suppress(FileExistsError):
                write_new(path, secrets.token_hex(_KEY_BYTES) + "\n")
        text = path.read_bytes().decode("latin-1")
        if _WRITTEN.fullmatch(text) is None:
            raise PseudonymKeyError(path)
        return cls(bytes.fromhex(text.strip()))

    def of(self, kind: Kind, name: bytes) -> str:
        """The pseudonym of a name: 22 base64url characters."""
        hashed = self._keyed[kind].copy()
        hashed.update(name)
        return to_text(hashed.digest())
