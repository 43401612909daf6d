"""What apps and servers may read an oddly spelled path as, so that no spelling gets a weaker rule than the plain one.

    /account;x/Payment.json    /account/Payment.json, /account/Payment, /account/payment

Servers cut off path parameters (";x"), formats (".json"), blanks and dots at the end, do not mind the case, resolve dot
segments, decode twice. The recipes of deploy/ know the same spellings; tests/harness/path_spellings.txt has a table.
"""

import re
from typing import Final
from urllib.parse import unquote

#: Paths that everybody reads alike.
_PLAIN: Final = re.compile(r"(?:/[a-z0-9_-]+)*/?")
_NAME: Final = re.compile(r"[\w-]+")
#: White space, control characters, and signs that are not seen.
_BLANK: Final = (
    "".join(map(chr, range(0x21))) + "\x7f\x85\xa0\u2000\u2001\u2002\u2003\u2009\u200b\u202f\u2060\u3000\ufeff"
)
#: Times that something may have been encoded; more is nobody's link.
_MOST_ENCODED: Final = 3


def resolved(path: str) -> str:
    """The path without parameters, blanks, dots at the end of names, and dot or empty segments; decoded once more."""
    if _PLAIN.fullmatch(path):
        return path
    for _ in range(_MOST_ENCODED):
        path = unquote(path)
    names: list[str] = []
    segments = path.replace("\\", "/").split("/")
    for segment in segments:
        name = segment.partition(";")[0].partition("\0")[0].strip(_BLANK)
        dots = name.replace(" ", "")
        if dots.strip("."):
            names.append(name.rstrip("." + _BLANK))
        elif len(dots) > 1 and names:
            names.pop()
    ends_in_slash = names and not segments[-1]
    return "/" + "/".join(names) + ("/" if ends_in_slash else "")


def readings(path: str) -> tuple[str, ...]:
    """The path as it came, and what it may be read as: resolved, without formats, in lower case, with no last "/".

    What is asked of one of them is asked of the path.
    """
    if _PLAIN.fullmatch(path) and not path.endswith("/"):
        return (path,)
    plain = resolved(path)
    names = [found[0] for found in map(_NAME.search, plain.split("/")) if found is not None]
    bare = "/" + "/".join(names)
    told = (path, plain, plain.rstrip("/") or "/", bare, path.lower(), plain.lower(), bare.lower())
    return tuple(dict.fromkeys(told))
