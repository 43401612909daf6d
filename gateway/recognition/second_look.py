"""Asking the detector's process: one at a time, its answers remembered, and gone again when nobody asks."""

import asyncio
import contextlib
import os
import sys
from collections import OrderedDict
from importlib.util import find_spec
from typing import Final

import msgspec

from .. import logs
from .describe import MAX_AGENT_CHARS, Description

_CHILD: Final = "latchstring_gateway.recognition.detector"
#: For an answer, on a machine that has better things to do.
_MAX_SECONDS: Final = 120
_MAX_KNOWN: Final = 4_096
_log: Final = logs.get("recognition")


def is_installed() -> bool:
    """Whether the extra `detector` is there."""
    return find_spec("device_detector") is not None


class SecondLook:
    """Describes agents by the detector. Its process starts with the first question, and again after it has died."""

    def __init__(self, *, niceness: int = 19) -> None:
        self._niceness = niceness
        self._turn = asyncio.Lock()
        self._child: asyncio.subprocess.Process | None = None
        self._known: OrderedDict[str, Description] = OrderedDict()

    async def describe(self, agent: str) -> Description | None:
        """The description; None if the process died of the agent or took too long."""
        agent = agent[:MAX_AGENT_CHARS]
        known = self._known.get(agent)
        if known is not None:
            self._known.move_to_end(agent)
            return known
        async with self._turn:
            try:
                async with asyncio.timeout(_MAX_SECONDS):
                    found = await self._ask(agent)
            except (OSError, TimeoutError, msgspec.DecodeError) as error:
                # The agent is a client's text, so it is not told.
                _log.warning("second_look_failed", reason=type(error).__name__)
                await self._end()
                return None
        self._known[agent] = found
        if len(self._known) > _MAX_KNOWN:
            self._known.popitem(last=False)
        return found

    async def close(self) -> None:
        """End the process; another question starts it again."""
        async with self._turn:
            await self._end()

    async def _ask(self, agent: str) -> Description:
        if self._child is None or self._child.returncode is not None:
            # It counts nothing, so it must not leave files among the workers' metrics.
            env = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                _CHILD,
                str(self._niceness),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=env,
            )
        to, by = self._child.stdin, self._child.stdout
        assert to is not None
        assert by is not None
        to.write(msgspec.json.encode(agent) + b"\n")
        await to.drain()
        line = await by.readline()
        if not line:
            raise BrokenPipeError("the detector ended")
        return msgspec.json.decode(line, type=Description)

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        # Reads what is left, too: a pipe that nobody reads would stay open.
        await child.communicate()
