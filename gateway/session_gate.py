"""The gate in a website's own process, for one that runs without a proxy."""

from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .running import Running
from .sessions.requirement import Requirement
from .settings import Settings
from .wiring import build, gate


class SessionGate:
    """ASGI: the gate for a website that runs without a proxy, in the website's own process.

    That process becomes a worker: it registers, follows the revocations, is waited for in receipts and holds the
    signing keys. Add it outermost; it lives by the lifespan events of the server, and says goodbye when they end.
    `is_public(path)` names what anybody may see, `requires(path)` what a route asks beyond being signed in; no odd
    spelling of a path gets less than the plain one. The app finds who it is in `scope["latch"]`, and no `X-Latch-*`
    header of a client. Raises KeyFileError.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        *,
        is_public: Callable[[str], bool] | None = None,
        requires: Callable[[str], Requirement] | None = None,
    ) -> None:
        self._rooms = build(settings)
        self._gate = gate(self._rooms, app, is_public=is_public, requires=requires)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] != "lifespan":
            await self._gate(scope, receive, send)
            return
        running = Running(self._rooms)
        await running.__aenter__()

        async def goodbye_first(message: Message) -> None:
            # The server may leave at once when it hears that the shutdown is complete.
            if message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
                await running.__aexit__()
            await send(message)

        await self._gate(scope, receive, goodbye_first)
