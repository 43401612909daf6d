"""The second look's process: `python -m latchstring_gateway.recognition.detector NICENESS`.

An agent in, its description out, one line of JSON each way: a string, and the fields of a `Description`. It knows
thousands of models by name, by the package `device-detector`, at a price no request can pay. Apart from the workers, so
that neither its time nor its 70 MB are theirs.
"""

import os
import signal
import sys
from typing import Any, Final

import msgspec

from .describe import MAX_AGENT_CHARS, NO_BRAND, Description, describe, kind_in_words
from .kinds import TELEVISION, Kind

#: CPU time: an agent takes hundredths of it; one that takes this much was made for it, and ends the process.
MAX_CPU_SECONDS: Final = 5.0
#: Its words for what we tell apart; wearables, cameras and the like are left to us.
_KINDS: Final[dict[str, Kind]] = {
    "tv": "tv",
    "console": "console",
    "smartphone": "phone",
    "phablet": "phone",
    "feature phone": "phone",
    "tablet": "tablet",
    "desktop": "computer",
    "smart speaker": "speaker",
    "smart display": "speaker",
    "car browser": "car",
}


def look_again(agent: str) -> Description:
    """The description of an agent by both recognisers. Raises ImportError without the extra `detector`."""
    from device_detector import DeviceDetector

    quick = describe(agent)
    text = "".join(c for c in agent[:MAX_AGENT_CHARS] if c.isprintable())
    found: Any = DeviceDetector(text).parse()
    kind = kind_in_words(text) or ("bot" if found.is_bot() else _KINDS.get(str(found.device_type())))
    return better(quick, kind, str(found.device_brand()), str(found.device_model()))


def better(quick: Description, kind: Kind | None, brand: str, model: str) -> Description:
    """What both say together. Where the detector knows no maker, or none of our finer kinds, ours stands."""
    if brand == NO_BRAND:
        # What it calls the maker of a TV that it knows by its system only.
        brand, model = "", ""
    if kind is None or (kind == "tv" and quick.kind in TELEVISION) or (not brand and quick.kind in TELEVISION):
        kind = quick.kind
    if not brand:
        brand, model = quick.brand, quick.model
    return Description(kind, brand, model or quick.model, quick.os, quick.client)


def main() -> int:
    """Answer line by line until stdin is closed."""
    os.nice(int(sys.argv[1]))
    for line in sys.stdin.buffer:
        signal.setitimer(signal.ITIMER_VIRTUAL, MAX_CPU_SECONDS)
        found = look_again(msgspec.json.decode(line, type=str))
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
        sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
