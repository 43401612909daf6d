"""The detector's process: started when needed, outlived, and gone."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from harness.waiting import wait_until_async
from latchstring_gateway.recognition.second_look import SecondLook, is_installed

#: The detector may have to wait for a processor.

_TV = "Mozilla/5.0 (Linux; Android 9; H-LED55GU7003 Build/PPR2.180905.006.A1; wv) Chrome/111.0 TV Safari/537.36"


@pytest.fixture
async def look() -> AsyncIterator[SecondLook]:
    """One, whose process is gone afterwards."""
    look = SecondLook(niceness=0)
    yield look
    await look.close()


def _child(look: SecondLook) -> asyncio.subprocess.Process:
    assert look._child is not None
    return look._child


def test_the_extra_is_installed_for_the_tests() -> None:
    """Or nothing here would be tested."""
    assert is_installed()


async def test_a_model_is_known_by_its_maker(look: SecondLook) -> None:
    """Which no rule of ours could know."""
    found = await look.describe(_TV)

    assert found is not None
    assert (found.kind, found.make) == ("tv", "Hyundai H-LED55GU7003")


async def test_questions_at_once_share_one_process_and_seen_agents_ask_none(look: SecondLook) -> None:
    """Ten agents, two of them the same."""
    found = await asyncio.gather(*(look.describe(f"{_TV} {number % 9}") for number in range(10)))
    pid = _child(look).pid
    await look.close()

    assert None not in found
    assert found[0] == found[9] == await look.describe(f"{_TV} 0")
    assert look._child is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_process_that_dies_is_missed_once(look: SecondLook) -> None:
    """The agent it died of is given up; the next one starts another."""
    assert await look.describe(_TV) is not None
    first = _child(look)
    os.kill(first.pid, signal.SIGSTOP)
    asked = asyncio.create_task(look.describe(f"{_TV} lost"))
    await wait_until_async(look._turn.locked, "the question is under way")
    os.kill(first.pid, signal.SIGKILL)

    assert await asked is None
    assert await look.describe(f"{_TV} next") is not None
    assert _child(look).pid != first.pid


async def test_an_agent_of_a_hundred_kilobytes_passes_its_pipe(look: SecondLook) -> None:
    """Cut, with bytes that JSON has to escape."""
    assert await look.describe("\x00\x1b\n" * 40_000) is not None
