"""A real store on a driven clock: the product's own scripts, with `redis.call('TIME')` reading a key instead.

The product has no such seam. The scripts are rewritten here on their way to the server, and a script that asked for the
time in another way would be noticed: what it stores would lie years beside the driven time.
"""

import hashlib
from typing import Any

from redis.exceptions import NoScriptError

from latchstring_gateway.store.client import Replicas, Store

#: Where the driven time is kept, in milliseconds.
TIME_KEY = "driven-ms"
_TIME = "redis.call('TIME')"
_DRIVEN = f"{{math.floor(redis.call('GET', '{TIME_KEY}') / 1000), redis.call('GET', '{TIME_KEY}') % 1000 * 1000}}"


class Rewriting:
    """What becomes of each script's text: driven time, and the mistakes that `EVIDENCE_BREAK` asks for."""

    def __init__(self, mistakes: list[tuple[str, str]]) -> None:
        self._mistakes = mistakes
        self._made: set[str] = set()
        #: The digest of a rewritten script by that of the product's own.
        self.digests: dict[str, str] = {}

    def rewrite(self, text: str) -> str:
        """The text to send; remembered by its digest."""
        new = text.replace(_TIME, _DRIVEN)
        for right, wrong in self._mistakes:
            if right in new:
                self._made.add(right)
                new = new.replace(right, wrong)
        self.note(text, new)
        return new

    def note(self, text: str, new: str) -> None:
        """Remember what became of a text."""
        self.digests[_digest(text)] = _digest(new)

    def assert_made(self) -> None:
        """Every mistake asked for was put into some script: the text it replaces has not been edited away."""
        assert self._made == {right for right, _ in self._mistakes}


def _digest(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class DrivenStore(Store):
    """A `Store` whose scripts live in driven time.

    `streams` are the revocations that anything is ever written to. A worker that loads all 256 after each fail-over is
    told of the others without asking that they are empty.
    """

    def __init__(
        self, url: str, rewriting: Rewriting, streams: frozenset[str], *, replicas: Replicas | None = None
    ) -> None:
        super().__init__(url, replicas=replicas)
        self._rewriting = rewriting
        self._streams = streams

    async def send(self, *words: Any, replicas: int = 0, **options: Any) -> Any:
        """Send the rewritten scripts."""
        rewriting = self._rewriting
        if words[0] == "EVALSHA" and words[2] == 3 and words[4].endswith(":number") and words[3] not in self._streams:
            return [0, []]  # load.lua
        if words[0] == "EVALSHA":
            if words[1] not in rewriting.digests:
                raise NoScriptError
            words = ("EVALSHA", rewriting.digests[words[1]], *words[2:])
        elif words[0] == "EVAL":
            words = ("EVAL", rewriting.rewrite(words[1]), *words[2:])
        return await super().send(*words, replicas=replicas, **options)
