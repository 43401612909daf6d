"""The fields of our own wire that have columns of their own: what each may hold, the same in a query and in JSON.

app, platform         letters, digits and _ . : -, at most 64
session, user         printable text of at most 255 bytes; kept only with consent
visitor               the same, the tracker's own pseudonym; kept only as a keyed hash, and only with consent
consent, gdpr_consent what the website's banner says: "granted", "denied" or a TCF string; what is neither says nothing
viewing               the same as session: a random id of one viewing of one title in one page
campaign, media       text of at most 128 and 256 characters
referrer              URL or host of the page that led here; only its host is kept
link                  path or http(s) URL; query and fragment are dropped
play_state            as `app`: playing, paused, seeking, ended
position_ms, ping     whole numbers from 0
playback_rate         0 to 100
sent                  when the tracker sent it, by the sender's clock

Numbers and instants may be written in all the ways of numbers.py; a number where text is expected is its digits. Empty
and null mean "not stated". What cannot be read is left out by name, and the event counts.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from .numbers import instant_ms, number, whole
from .page_address import CONTROL, MAX_PATH_CHARS, MAX_RAW_CHARS, PATH_END, readable
from .properties import note

LABEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:\-]{0,63}")
#: Of a name of a person, a session, an event.
MAX_NAME_BYTES: Final = 255

_URL: Final = re.compile(r"(https?)://([^/?#@\s]{1,255})(/[^?#]*)?(?:[?#].*)?", re.IGNORECASE | re.DOTALL)
_HOST: Final = re.compile(r"[^/?#@\s]{1,255}")
_MAX_RATE: Final = 100.0
#: Longer texts are not remembered.
_MAX_KNOWN: Final = 64
_MAX_STATEMENT_CHARS: Final = 4_096
#: A refusal must not go unheard for its spelling.
_WORDS: Final = {"granted": "granted", "true": "granted", "denied": "denied", "false": "denied"}

Reader = Callable[[Any], Any]


def columns_of(fields: dict[str, Any], dropped: list[str]) -> dict[str, Any]:
    """The columns that `fields` tell, by name; of what cannot be read `dropped` says "bad_" and the field's name."""
    told = {}
    for name, (column, read) in FIELDS.items():
        if name in fields:
            said = fields[name]
            if said is None or said == "":
                continue
            # The same words come again and again: 1.4 µs less for a heartbeat of our script (7.2).
            value = _known(name, said) if type(said) is str and len(said) <= _MAX_KNOWN else read(said)
            if value is None:
                note(dropped, f"bad_{name}")
            else:
                told[column] = value
    return told


@lru_cache(maxsize=16_384)
def _known(name: str, said: str) -> Any:
    """What the field's reader makes of a short text."""
    return FIELDS[name][1](said)


def as_text(said: Any) -> str | None:
    """A text, or the digits of a whole number; None for anything else."""
    if isinstance(said, str):
        return said
    if isinstance(said, bool) or not isinstance(said, int | float):
        return None
    found = number(said)
    return None if found is None or found != int(found) else str(int(found))


def a_name(said: Any) -> str | None:
    """A name of somebody or something: printable text of any language, at most 255 bytes."""
    text = said if type(said) is str else as_text(said)
    if not text or not text.isprintable():
        return None
    return text if len(text if text.isascii() else text.encode()) <= MAX_NAME_BYTES else None


def _label(said: Any) -> str | None:
    text = as_text(said)
    return text if text is not None and LABEL.fullmatch(text) else None


def _text(most_chars: int) -> Reader:
    def read(said: Any) -> str | None:
        text = as_text(said)
        return text if text is not None and 0 < len(text) <= most_chars and not CONTROL.search(text) else None

    return read


def _statement(said: Any) -> str | None:
    if isinstance(said, bool):
        return "granted" if said else "denied"
    if isinstance(said, str) and (word := _WORDS.get(said.strip().lower())) is not None:
        return word
    # Only the beginning of a TCF string tells of purposes.
    return said[:_MAX_STATEMENT_CHARS] if isinstance(said, str) else None


def _rate(said: Any) -> float | None:
    rate = number(said)
    return float(rate) if rate is not None and 0 <= rate <= _MAX_RATE else None


def _referrer(said: Any) -> str | None:
    if not isinstance(said, str) or CONTROL.search(said):
        return None
    url = _URL.fullmatch(said)
    if url is not None:
        return url[2].lower()
    return said.lower() if _HOST.fullmatch(said) else None


def _link(said: Any) -> str | None:
    if not isinstance(said, str) or CONTROL.search(said):
        return None
    url = _URL.fullmatch(said)
    if url is not None:
        link = f"{url[1].lower()}://{url[2].lower()}{url[3] or '/'}"
    elif said.startswith("/"):
        link = PATH_END.split(said, maxsplit=1)[0]
    else:
        return None
    return link if len(link) <= MAX_RAW_CHARS and len(readable(link)) <= MAX_PATH_CHARS else None


def respelled(told: dict[str, Any]) -> dict[str, Any]:
    """The columns with addresses in the spelling of pages: a link, and a page that stands for what is watched in it."""
    for column in ("link", "media"):
        said = told.get(column)
        if said is not None and "/" in said:
            told[column] = readable(said)
    return told


#: By the field's name: its column, and what reads it.
FIELDS: Final[dict[str, tuple[str, Reader]]] = {
    "app": ("app", _label),
    "platform": ("platform", _label),
    "session": ("session", a_name),
    "user": ("user", a_name),
    "visitor": ("visitor", a_name),
    "gdpr_consent": ("consent", _statement),
    "consent": ("consent", _statement),
    "viewing": ("viewing", a_name),
    "campaign": ("campaign", _text(128)),
    "media": ("media", _text(256)),
    "referrer": ("referrer_host", _referrer),
    "link": ("link", _link),
    "play_state": ("play_state", _label),
    "position_ms": ("position_ms", whole),
    "playback_rate": ("playback_rate", _rate),
    "ping": ("ping", whole),
    "sent": ("sent_at", instant_ms),
}
