"""What a person or a device goes by, brought into one spelling, and the tags that stand for it in the store.

A tag is 16 bytes of an HMAC-SHA256 under a key of the ring, derived for free trials and for one kind of identifier:

    HMAC(HMAC(secret, "free trial: email"), "free-month" NUL "ada@example.com")

Without the key file nobody finds whom a tag stands for; and the same identifier has another tag under another key, in
another trial, and as another kind.
"""

import hmac
import re
import unicodedata
from collections.abc import Sequence
from typing import Annotated, Final, Literal, NamedTuple, TypeAlias, get_args

from msgspec import Meta, Struct

from ..errors import BadRequest
from ..ids import to_bytes, to_text
from ..tokens import hardware
from ..tokens.keyfile import RingKey

Kind: TypeAlias = Literal["email", "phone", "card", "device", "hardware"]

_TAG_BYTES: Final = 16
#: E.164: at most 15 digits, country code included; the shortest numbers in use have 7.
_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_PHONE_PUNCTUATION: Final = re.compile(r"[\s()./-]")
_CARD_NUMBER: Final = re.compile(r"[0-9]{13,19}")
_GMAIL: Final = ("gmail.com", "googlemail.com")

_Text = Annotated[str, Meta(min_length=1, max_length=320)]
_Texts = Annotated[list[_Text], Meta(max_length=8)]


class Identifiers(Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of who wants a trial, by kind; at most 8 of each."""

    email: _Texts = []
    phone: _Texts = []
    card: _Texts = []
    device: _Texts = []
    hardware: _Texts = []


class Identifier(NamedTuple):
    """One identifier in its one spelling."""

    kind: Kind | Literal["account"]
    value: str


def normalised(asked: Identifiers) -> tuple[list[Identifier], list[Kind]]:
    """Each identifier once, those last that a product line may share; and the kinds of which one identifies nobody.

    Raises BadRequest (`bad_email`, `bad_phone`, `bad_device_id`, `card_number`, `bad_identifier`).
    """
    found: dict[Identifier, None] = {}
    nobodys: dict[Kind, None] = {}
    for kind in get_args(Kind):
        texts: list[str] = getattr(asked, kind)
        for text in texts:
            value = _spelling(kind, text)
            if value:
                found[Identifier(kind, value)] = None
            else:
                nobodys[kind] = None
    return list(found), list(nobodys)


def may_be_shared(identifier: Identifier) -> bool:
    """Whether devices that have nothing to do with each other may state the same."""
    return identifier.kind == "hardware"


def tag(key: RingKey, trial: str, identifier: Identifier) -> str:
    """What stands for an identifier in a trial, 22 characters; see the module."""
    derived = key.derive(b"free trial: " + identifier.kind.encode())
    text = f"{trial}\0{identifier.value}".encode()
    return to_text(hmac.digest(derived, text, "sha256")[:_TAG_BYTES])


def _spelling(kind: Kind, text: str) -> str:
    """The one spelling; empty for what identifies nobody."""
    text = unicodedata.normalize("NFKC", text.strip())
    if not text.isprintable():
        raise BadRequest("bad_identifier", f"{kind}: expected printable characters")
    match kind:
        case "email":
            return _email(text)
        case "phone":
            return _phone(text)
        case "card":
            return _card(text)
        case "device":
            return _device(text)
        case "hardware":
            return hardware.normalised(text)


def _email(text: str) -> str:
    local, _, domain = text.casefold().rpartition("@")
    local = local.partition("+")[0]
    try:
        domain = domain.encode("idna").decode()
    except UnicodeError:
        domain = ""
    if domain in _GMAIL:
        local, domain = local.replace(".", ""), _GMAIL[0]
    if not local or not domain or " " in text:
        raise BadRequest("bad_email", "expected an address such as ada@example.com")
    return f"{local}@{domain}"


def _phone(text: str) -> str:
    number = _PHONE_PUNCTUATION.sub("", text)
    if _PHONE.fullmatch(number) is None:
        raise BadRequest("bad_phone", "expected a number in international form, such as +31 20 123 4567")
    return number


def _card(text: str) -> str:
    digits = re.sub(r"[\s-]", "", text)
    if _CARD_NUMBER.fullmatch(digits) and _has_check_digit(digits):
        # A number has some 10 ** 9 unknown digits: whoever has the key file and the store would find it in minutes.
        raise BadRequest("card_number", "expected the payment provider's fingerprint of the card, never its number")
    return text


def _has_check_digit(digits: str) -> bool:
    """Whether the last digit is the one that ISO/IEC 7812 wants (Luhn)."""
    doubled = [int(digit) * (1 + number % 2) for number, digit in enumerate(reversed(digits))]
    return sum(one - 9 if one > 9 else one for one in doubled) % 10 == 0


def _device(text: str) -> str:
    try:
        to_bytes(text)
    except ValueError:
        raise BadRequest("bad_device_id", "expected an id of 22 base64url characters") from None
    return text


def rows(keys: Sequence[RingKey], trial: str, identifiers: Sequence[Identifier]) -> list[str]:
    """A tag for each identifier under each key: row after row, in the order of both."""
    return [tag(key, trial, identifier) for identifier in identifiers for key in keys]
