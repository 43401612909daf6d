"""Where to go after signing in: sealed when it leaves us, so that nobody can send a visitor elsewhere with our help."""

from typing import Final

from ..tokens.codec import Codec, Refused
from ..tokens.purposes import RETURN_TARGET_MAX_CHARS, ReturnTo

#: How long a sealed target may wait for its visitor to sign in.
RETURN_SECONDS: Final = 3_600


def is_own(target: str) -> bool:
    r"""Whether `target` is a path and query on this very host, as every browser reads it.

    Refused: anything not beginning with one slash, "//" and "/\" (another host), backslashes and control characters
    anywhere (browsers drop or turn them), and non-ASCII characters (some look like slashes).
    """
    return (
        target.startswith("/")
        and not target.startswith("//")
        and "\\" not in target
        and all("\x21" <= character <= "\x7e" for character in target)
    )


def seal(codec: Codec, target: str, *, now_ms: int) -> str:
    """A sealed return value; a target that leaves the host or is too long becomes "/"."""
    kept = target if is_own(target) and len(target) <= RETURN_TARGET_MAX_CHARS else "/"
    return codec.seal(ReturnTo(kept, now_ms)).decode()


def open_target(codec: Codec, sealed: str, *, now_ms: int) -> str:
    """The target in a sealed value; "/" if it was not sealed by us, is older than an hour, or leaves the host."""
    opened = codec.open(sealed.encode("utf-8", "surrogateescape"), ReturnTo)
    if (
        isinstance(opened, Refused)
        or abs(now_ms - opened.issued_at_ms) > RETURN_SECONDS * 1000
        or not is_own(opened.target)
    ):
        return "/"
    return opened.target
