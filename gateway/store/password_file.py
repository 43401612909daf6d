"""The store's password as its file has it now: read for each new connection, so that a change needs no restart.

Add a second password to the store, write it into the file, remove the first: connections that are open stay open, new
ones show the new password.
"""

from pathlib import Path
from typing import Final

from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError

from ..one_thread import OneThread, StillHanging

#: How long a disk may take to give a line; then the password that was read last is shown.
_READ_SECONDS: Final = 0.5


def password_in(path: Path | None) -> str | None:
    """The first line of a password's file; None if there is none or it cannot be read."""
    try:
        return None if path is None else path.read_text(encoding="utf-8").splitlines()[0].strip() or None
    except (OSError, ValueError, IndexError):
        return None


class PasswordFile(CredentialProvider):
    """What redis-py shows when it connects; `username` "" is the store's default user."""

    def __init__(self, path: Path, username: str = "") -> None:
        self._path = path
        self._username = username
        #: What the file said last; it is kept while the file is being written, or its disk is away.
        self._password: str | None = None
        self._thread = OneThread("password file")

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """The password, after the user's name if there is one. Raises AuthenticationError if none was ever read."""
        return self._shown(password_in(self._path))

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """The same without holding up the event loop."""
        try:
            found = await self._thread.run(lambda: password_in(self._path), within_seconds=_READ_SECONDS)
        except StillHanging:
            found = None
        return self._shown(found)

    def _shown(self, found: str | None) -> tuple[str] | tuple[str, str]:
        self._password = found or self._password
        if self._password is None:
            raise AuthenticationError(f"{self._path}: expected a readable file with the password on its first line")
        return (self._username, self._password) if self._username else (self._password,)
