"""The codes of a device grant: one that a person types, and one that only the device knows.

    user code     WDJB-MJHT or 123-456-789    8 letters without vowels (34.6 bits) or 9 digits (29.9 bits)
    device code   3f<43 characters>           the partition of the user code in hex, and 256 random bits

The store finds a grant by the SHA-256 of the device code's secret, which is too random to need more. Both codes lie in
the partition of the user code, so that one script sees all of a grant before it belongs to an account.
"""

import re
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Literal

from ..ids import to_text
from ..pages.language import gettext_noop

#: More is not read: no code is longer, with whatever stands between its groups.
_MAX_TYPED_CHARS: Final = 64
_DEVICE_CODE: Final = re.compile(r"([0-9a-f]{2})([A-Za-z0-9_-]{43})", re.ASCII)


@dataclass(frozen=True, slots=True)
class CodeForm:
    """How user codes look: `length` characters of `alphabet`, shown in groups; `looks_like` forgives what is typed."""

    words: str
    alphabet: str
    length: int
    group: int
    looks_like: Mapping[int, int]

    @property
    def space(self) -> int:
        """How many codes there are."""
        return int(len(self.alphabet) ** self.length)

    def make(self) -> str:
        """A random code."""
        return "".join(secrets.choice(self.alphabet) for _ in range(self.length))

    def shown(self, code: str) -> str:
        """A code as people read it."""
        return "-".join(code[at : at + self.group] for at in range(0, self.length, self.group))

    def read(self, typed: str) -> str | None:
        """The code that somebody meant, in any case and script, with anything between; None if it cannot be one.

        Only characters that no code has are taken for others, so no two codes become one.
        """
        plain = unicodedata.normalize("NFKC", typed[:_MAX_TYPED_CHARS]).upper().translate(self.looks_like)
        code = "".join(character for character in plain if unicodedata.category(character)[0] in "LNM")
        if len(typed) > _MAX_TYPED_CHARS or len(code) != self.length or not set(self.alphabet).issuperset(code):
            return None
        return code


#: Cyrillic and Greek capitals that look like Latin ones, and what a hasty reader takes for one of our letters.
_LIKE_LETTERS: Final = str.maketrans(
    "\u0412\u0421\u041d\u0408\u041a\u041c\u0420\u0405\u0422\u0425\u051a\u051c"
    "\u0392\u0397\u039a\u039c\u039d\u03a1\u03a4\u03a7\u0396"
    "86125IU",
    "BCHJKMPSTXQW" + "BHKMNPTXZ" + "BGLZSLV",
)
#: After NFKC the digits of other scripts are still theirs; the two most in use on keyboards are Arabic ones.
_LIKE_DIGITS: Final = str.maketrans(
    "\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669"
    "\u06f0\u06f1\u06f2\u06f3\u06f4\u06f5\u06f6\u06f7\u06f8\u06f9"
    "OQDILSBZ",
    "0123456789" * 2 + "00011582",
)

FORMS: Final[Mapping[Literal["letters", "digits"], CodeForm]] = {
    # RFC 8628 section 6.1: no vowels, so that no code is a word.
    "letters": CodeForm(gettext_noop("8 letters, without vowels"), "BCDFGHJKLMNPQRSTVWXZ", 8, 4, _LIKE_LETTERS),
    # For remote controls, and for keyboards without Latin letters.
    "digits": CodeForm(gettext_noop("9 digits"), "0123456789", 9, 3, _LIKE_DIGITS),
}


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """Where a grant lies, as its device code tells: `sha256` (hexadecimal) stands for the secret."""

    partition: int
    sha256: str


def partition_of_code(user_code: str) -> int:
    """The partition of a grant: the first byte of the SHA-256 of its user code."""
    return sha256(user_code.encode()).digest()[0]


def make_device_code(partition: int) -> str:
    """A device code for a grant in this partition."""
    return f"{partition:02x}{to_text(secrets.token_bytes(32))}"


def read_device_code(text: str) -> DeviceCode | None:
    """What a device code says; None if it is none."""
    found = _DEVICE_CODE.fullmatch(text)
    return None if found is None else DeviceCode(int(found[1], 16), sha256(found[2].encode()).hexdigest())
