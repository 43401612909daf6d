"""Looking for planted texts wherever they could have come to rest, as they are and in the forms that programs write."""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus

from .valkey import Valkey


def forms_of(text: str) -> dict[str, bytes]:
    """The forms of a text, by their names: its cases, escapes, encodings, and hashes that need no key."""
    raw = text.encode()
    forms = {
        "clear": raw,
        "lower case": text.lower().encode(),
        "upper case": text.upper().encode(),
        "letters and digits": "".join(c for c in text.lower() if c.isalnum()).encode(),
        "percent": quote(text, safe="").encode(),
        "form": quote_plus(text).encode(),
        "json": json.dumps(text)[1:-1].encode(),
        "utf-16": text.encode("utf-16-le"),
        "hexadecimal": raw.hex().encode(),
        "backwards": raw[::-1],
    }
    for skip in range(3):
        # Wherever it stands in what was encoded; the first and last characters depend on what is beside it.
        encoded = base64.b64encode(b"x" * skip + raw).rstrip(b"=")[2 if skip else 0 : -2]
        forms[f"base64, {skip} before"] = encoded
        forms[f"base64url, {skip} before"] = encoded.replace(b"+", b"-").replace(b"/", b"_")
    for name in ("md5", "sha1", "sha256", "blake2b"):
        digest = hashlib.new(name, raw).digest()
        forms[f"{name}, raw"] = digest[:16]
        forms[f"{name}, hexadecimal"] = digest.hex()[:32].encode()
        forms[f"{name}, base64"] = base64.urlsafe_b64encode(digest)[:21]
    return {name: form for name, form in forms.items() if len(form) >= 8}


def found_in(places: Mapping[str, bytes], texts: Iterable[str]) -> list[str]:
    """Where a text was found, and in which form."""
    return [
        f"{text} in {place}: {name}"
        for text in texts
        for name, form in forms_of(text).items()
        for place, data in places.items()
        if form in data
    ]


def files_of(valkey: Valkey) -> dict[str, bytes]:
    """Every file of the data directory, once the store has written all it holds without compressing it."""
    with valkey.client() as client:
        client.config_set("rdbcompression", "no")
        client.save()
    paths = [path for path in valkey.data_dir.rglob("*") if path.is_file()]
    return {str(path.relative_to(valkey.data_dir)): path.read_bytes() for path in paths}
