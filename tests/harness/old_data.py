"""What an older release left behind (tests/data/, made by make_old_data.py), as if it had been left just now."""

import json
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from msgspec import structs
from redis.asyncio import Redis

from latchstring_gateway.tokens.codec import Codec
from latchstring_gateway.tokens.purposes import Lease

from .worker_app import SESSION, Jar

_DATA: Final = Path(__file__).parents[1] / "data"
#: A time of the year it was made in, in milliseconds, also as the id in a stream.
_TIME_MS: Final = re.compile(r"\b1[78]\d{11}\b")


@dataclass(frozen=True)
class OldData:
    """One release's data. Times in the store are `later_ms` later than they were written."""

    release: str
    said: dict[str, Any]
    keys: list[dict[str, Any]]
    later_ms: int

    def unpack(self, data_dir: Path) -> None:
        """Put the data directory there."""
        data_dir.mkdir(parents=True, exist_ok=True)
        made = _DATA / self.release / "data.tar.gz"
        subprocess.run(["tar", "--extract", "--gzip", "--file", made, "--directory", data_dir], check=True)

    async def load(self, redis: Redis) -> None:
        """Put everything into an empty store."""
        pipe = redis.pipeline(transaction=False)
        for one in self.keys:
            key, value = one["key"], one["value"]
            if one["type"] == "hash":
                pipe.hset(key, mapping=value)
            elif one["type"] == "string":
                pipe.set(key, value)
            elif one["type"] == "set":
                pipe.sadd(key, *value)
            elif one["type"] == "zset":
                pipe.zadd(key, dict(value))
            else:
                for entry, fields in value:
                    pipe.xadd(key, fields, id=entry)
            if one["pttl"] > 0:
                pipe.pexpire(key, one["pttl"])
        await pipe.execute()

    def jar(self, whose: str) -> Jar:
        """A browser's cookies, byte for byte as they were handed out."""
        return Jar(self.said["cookies"][whose])

    def aged(self, whose: str, codec: Codec) -> Jar:
        """The same, signed as they would have been `later_ms` later: a lease that is still good."""
        jar = self.jar(whose)
        lease = codec.open(jar[SESSION].encode(), Lease)
        assert isinstance(lease, Lease), lease
        times = {
            name: value + self.later_ms
            for name, value in structs.asdict(lease).items()
            if isinstance(value, int) and value > 1_000_000_000_000
        }
        return Jar({**jar, SESSION: codec.seal(structs.replace(lease, **times)).decode()})


def old_data(release: str) -> OldData:
    """What `release` (a commit) left behind."""
    text = (_DATA / release / "store.json").read_text()
    later_ms = time.time_ns() // 1_000_000 - int(json.loads(text)["at_ms"])
    said = json.loads(text)["said"]
    shifted = json.loads(_TIME_MS.sub(lambda found: str(int(found[0]) + later_ms), text))
    return OldData(release, said, shifted["keys"], later_ms)
