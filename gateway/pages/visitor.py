"""Who has a page before him, as the gate put it into `scope["latch"]`."""

from typing import Protocol

from starlette.requests import Request


class Visitor(Protocol):
    """Somebody who is signed in."""

    @property
    def account(self) -> str:
        """The account that is signed in."""
        ...

    @property
    def session(self) -> str:
        """The id of the session."""
        ...

    @property
    def device(self) -> str:
        """The id of the device it is signed in on."""
        ...

    @property
    def level(self) -> str:
        """Either "fresh", the password was given in this session, or "remembered"."""
        ...

    @property
    def authenticated_at_ms(self) -> int:
        """When its password was checked."""
        ...


def visitor_of(request: Request) -> Visitor:
    """Who sent a request that has passed the gate."""
    visitor: Visitor = request.scope["latch"]
    return visitor
