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
    """A sealed return value for a target of at most 700 characters.

    A query that makes it longer, or that browsers read in several ways, is dropped: the path at least is kept.
    A path that leaves the host or is too long becomes "/".
    """
    return codec.seal(ReturnTo(_kept(target), now_ms)).decode()


def _kept(target: str) -> str:
    path, mark, query = target.partition("?")
    # Browsers send a backslash of a query as it is, and turn only those of a path into slashes.
    for one in (path + mark + query.replace("\\", "%5C"), path):
        if len(one) <= RETURN_TARGET_MAX_CHARS and is_own(one):
            return one
    return "/"


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
