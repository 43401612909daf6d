"""Which server holds which partition now: asked of the Sentinels or of the Cluster, the newest word wins."""

import asyncio
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ResponseError

from ..errors import StoreAway
from .address import Address, Place
from .keys import PARTITIONS, TAGS

#: One that hangs must not keep the word of the others waiting.
_ASK_SECONDS: Final = 0.5
_SLOT_OF_PARTITION: Final = tuple(binascii.crc_hqx(tag.encode(), 0) % 16_384 for tag in TAGS)


@dataclass(frozen=True, slots=True)
class Topology:
    """The server of each partition, and how many replicas each server has: those that are down count too."""

    places: tuple[Place, ...]
    replicas: Mapping[Place, int]


async def find(address: Address, known: Sequence[Place]) -> Topology:
    """The servers now; `known` are servers seen before, asked besides the seeds. Raises StoreAway."""
    if address.kind == "sentinel":
        primary, followers = await _primary(address)
        return Topology((primary,) * PARTITIONS, {primary: followers})
    answers = await asyncio.gather(*(_slots(place, address) for place in {*address.seeds, *known}))
    found = [answer for answer in answers if not isinstance(answer, Exception)]
    if not found:
        raise _away("no member of the Cluster answered", answers)
    # A member that is cut off knows an older configuration than the majority's.
    _epoch, slots, replicas = max(found, key=lambda answer: answer[0])
    return Topology(tuple(_owner(slots, slot) for slot in _SLOT_OF_PARTITION), replicas)


async def _primary(address: Address) -> tuple[Place, int]:
    sentinels = Sentinel(address.seeds, sentinel_kwargs=_asking(address.sentinel_options))
    try:
        answers = await asyncio.gather(
            *(asyncio.wait_for(one.sentinel_masters(), 2 * _ASK_SECONDS) for one in sentinels.sentinels),
            return_exceptions=True,
        )
    finally:
        await sentinels.aclose()
    # Each Sentinel is asked, not the first that answers: one that was cut off still names the former primary.
    states: list[Any] = [
        answer[address.service] for answer in answers if isinstance(answer, dict) and address.service in answer
    ]
    if not states:
        raise _away(f"no Sentinel knows a primary of the name {address.service}", answers)
    newest = max(states, key=lambda state: int(state["config-epoch"]))
    # A Sentinel remembers a replica that is down, until SENTINEL RESET: it may come back and be promoted.
    replicas = max(int(state["num-slaves"]) for state in states)
    return (str(newest["ip"]), int(newest["port"])), replicas


def _asking(options: Mapping[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in options.items() if name != "connection_class"}
    return {
        "socket_timeout": _ASK_SECONDS,
        "socket_connect_timeout": _ASK_SECONDS,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "decode_responses": True,
        "ssl": "connection_class" in options,
        **rest,
    }


def _away(what: str, answers: Sequence[Any]) -> StoreAway:
    faults = [answer for answer in answers if isinstance(answer, Exception)]
    why = sorted({str(fault) if isinstance(fault, ResponseError) else type(fault).__name__ for fault in faults})
    away = StoreAway(f"{what} ({'; '.join(why)}); try again" if why else f"{what}; try again")
    # The one that only an operator can end, if there is one.
    away.__cause__ = max(
        faults, key=lambda fault: isinstance(fault, (AuthenticationError, ResponseError)), default=None
    )
    return away


async def _slots(place: Place, address: Address) -> tuple[int, Any, dict[Place, int]] | Exception:
    host, port = place
    client = Redis(host=host, port=port, **_asking(address.options))
    try:
        async with asyncio.timeout(2 * _ASK_SECONDS):
            info = await client.execute_command("CLUSTER INFO")
            slots = await client.execute_command("CLUSTER SLOTS")
            nodes = await client.execute_command("CLUSTER", "NODES")
        told = info if isinstance(info, dict) else dict(line.split(":", 1) for line in info.split() if ":" in line)
        ids = [str(owner[2]) for _first, _last, owner, *_ in slots]
        # An empty host means: the one that was asked.
        ranges = [(int(first), int(last), (str(owner[0] or host), int(owner[1]))) for first, last, owner, *_ in slots]
        masters = _masters_of_replicas(str(nodes))
        replicas = {owner: masters.count(node_id) for (_first, _last, owner), node_id in zip(ranges, ids, strict=True)}
        return int(told["cluster_current_epoch"]), ranges, replicas
    except Exception as fault:
        # Whatever one of them says, the others are heard.
        return fault
    finally:
        await client.aclose()


def _masters_of_replicas(nodes: str) -> list[str]:
    """The node id of its master for each replica that the Cluster knows, also of one that is down (CLUSTER NODES)."""
    rows = [line.split(" ") for line in nodes.splitlines() if line]
    return [row[3] for row in rows if "slave" in row[2].split(",")]


def _owner(ranges: Sequence[tuple[int, int, Place]], slot: int) -> Place:
    for first, last, owner in ranges:
        if first <= slot <= last:
            return owner
    raise StoreAway("a slot of the Cluster is served by nobody")
