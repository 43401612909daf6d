"""An answer that waits for the disk."""

from typing import Final

from ..wire import Reply


class _NobodyWaits:
    """Stands in for the event that an ASGI cycle would set."""

    __slots__ = ()

    def set(self) -> None:
        """Wake nobody."""


class PendingRecord:
    """An answer that waits for the journal, in the place of uvicorn's running request cycle.

    Pipelining, shutdown and disconnect look at the cycle's fields and so see this one too.
    """

    __slots__ = ("disconnected", "keep_alive", "method", "reply", "response_complete", "response_started")

    message_event: Final = _NobodyWaits()

    def __init__(self) -> None:
        self.reply: Reply | None = None
        self.method = b""
        self.keep_alive = True
        self.disconnected = False
        self.response_started = False
        self.response_complete = True

    def wait(self, reply: Reply, method: bytes, keep_alive: bool) -> None:  # noqa: FBT001 - hot
        """Take up the reply to a request."""
        self.reply = reply
        self.method = method
        self.keep_alive = keep_alive
        self.response_complete = False
