"""Self-describing JSON, as Snowplow's trackers send it: {"schema": "iglu:vendor/name/jsonschema/1-0-0", "data": …}.

Schemas are names here: none is looked up, and no data is held against one.
"""

import re
from binascii import a2b_base64
from typing import Any, Final, NamedTuple

from . import loose_json
from .event import RefusalError

_IGLU: Final = re.compile(
    r"iglu:([A-Za-z0-9_.\-]{1,128})/([A-Za-z0-9_.\-]{1,128})/jsonschema/([0-9]{1,4}-[0-9]{1,4}-[0-9]{1,4})"
)
_FROM_URL: Final = str.maketrans("-_", "+/")
_PADDING: Final = ("", "===", "==", "=")


class SelfDescribing(NamedTuple):
    """One such JSON."""

    vendor: str
    name: str
    version: str
    data: Any

    @property
    def schema(self) -> str:
        """The schema as it was sent."""
        return f"iglu:{self.vendor}/{self.name}/jsonschema/{self.version}"

    def plain(self) -> dict[str, Any]:
        """As it is kept."""
        return {"schema": self.schema, "data": self.data}


def read_json(text: bytes, refusal: str) -> Any:
    """The value of a JSON text, read as loosely as trackers write it; RefusalError with the code `refusal` if none."""
    try:
        return loose_json.read(text)
    except ValueError:
        raise RefusalError(refusal) from None


def read_base64(text: str, refusal: str) -> bytes:
    """The bytes of base64 or base64url, padded or not; RefusalError with the code `refusal` if it is neither."""
    bare = text.rstrip("=").translate(_FROM_URL)
    try:
        return a2b_base64(bare + _PADDING[len(bare) & 3], strict_mode=True)
    except ValueError:
        raise RefusalError(refusal) from None


def self_describing(value: Any, refusal: str) -> SelfDescribing:
    """A decoded JSON value as one; RefusalError with the code `refusal` if it is none."""
    if isinstance(value, dict) and "data" in value and isinstance(value.get("schema"), str):
        match = _IGLU.fullmatch(value["schema"])
        if match is not None:
            return SelfDescribing(match[1], match[2], match[3], value["data"])
    raise RefusalError(refusal)
