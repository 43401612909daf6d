"""A redis client whose commands go each to the server of its key's partition; the same on one server and on many."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from .keys import TAGS

_PARTITION_OF_TAG = {tag: partition for partition, tag in enumerate(TAGS)}


class Server(Protocol):
    """What is needed of a server (client.Node)."""

    redis: Redis


FindServer = Callable[[int], Awaitable[Server]]


def partition_of_words(words: tuple[Any, ...]) -> int:
    """The partition of a command's first key; 0, where the deployment's own keys lie, if it names none of ours."""
    at = 3 if words[0] in ("EVAL", "EVALSHA") else 1
    key = str(words[at]) if len(words) > at else ""
    return _PARTITION_OF_TAG.get(key[1:].partition("}")[0], 0) if key.startswith("{") else 0


class Routed(Redis):
    """Every command and pipeline of redis-py; what concerns one server as a whole goes to partition 0's."""

    def __init__(self, find: FindServer, send: Callable[..., Awaitable[Any]]) -> None:
        super().__init__()
        self._find = find
        self._send = send

    async def execute_command(self, *words: Any, **options: Any) -> Any:
        """Send to the right server."""
        return await self._send(*words, **options)

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:  # noqa: FBT001, FBT002
        """Commands gathered for one round trip a server; a transaction must stay in one partition."""
        return _RoutedPipeline(self, self._find, transaction=transaction)


class _RoutedPipeline(Pipeline):
    def __init__(self, routed: Routed, find: FindServer, *, transaction: bool) -> None:
        super().__init__(routed.connection_pool, routed.response_callbacks, transaction, None)
        self._find = find

    async def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002
        shares: dict[Redis, list[int]] = {}
        commands = list(self.command_stack)
        for index, (words, _options) in enumerate(commands):
            shares.setdefault((await self._find(partition_of_words(words))).redis, []).append(index)
        answers: list[Any] = [None] * len(commands)
        for redis, share in shares.items():
            pipe = redis.pipeline(transaction=self.is_transaction)
            for index in share:
                words, options = commands[index]
                pipe.execute_command(*words, **options)
            for index, answer in zip(share, await pipe.execute(raise_on_error), strict=True):
                answers[index] = answer
        return answers
