"""What connections share."""

import asyncio

from latchstring_gateway.server.door import Door, encode
from latchstring_gateway.server.limits import ServerLimits
from latchstring_gateway.wire import Reply


async def test_the_sweep_runs_while_there_are_connections() -> None:
    """An idle loop has no timer of ours, so a server that is done can end."""
    door = Door({}, lambda _payload, _done: None, ServerLimits())
    swept: list[int] = []
    loop = asyncio.get_running_loop()

    assert door.admit(swept.append, loop)
    door.sweep()
    door.sweep()
    door.dismiss(swept.append)
    door.sweep()

    assert swept == [1, 2]
    assert not door.connections


async def test_no_more_connections_than_the_limit() -> None:
    """One that is refused is not counted."""
    door = Door({}, lambda _payload, _done: None, ServerLimits(max_connections=1))
    loop = asyncio.get_running_loop()

    assert door.admit(print, loop)
    assert not door.admit(repr, loop)
    assert door.connections == {print}
    door.dismiss(print)


def test_an_answer_without_body_and_one_that_is_the_last() -> None:
    """HEAD gets the length of what it does not get."""
    reply = Reply(200, ((b"a", b"b"),), b"body")

    assert encode(reply, b"date: x\r\n", with_body=False, keep_alive=True) == (
        b"HTTP/1.1 200 OK\r\ndate: x\r\na: b\r\ncontent-length: 4\r\n\r\n"
    )
    assert encode(reply, b"", with_body=True, keep_alive=False).endswith(
        b"content-length: 4\r\nconnection: close\r\n\r\nbody"
    )
