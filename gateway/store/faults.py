"""What may go wrong on the way to the store, named once: whatever a socket, uvloop or redis-py raises is StoreAway.

Seen: uvloop raises RuntimeError ("the handler is closed") for a connection that its peer has reset; redis-py lets it
pass, answers None where a time limit is over, and then fails with AttributeError; asyncio's IncompleteReadError is an
EOFError and no OSError.
"""

from typing import Final

from redis.exceptions import RedisError, ResponseError

from ..errors import StoreAway, StoreRefused

#: Kinds that a connection raises when it is cut, late, reset, closed, or talked to by something that is no store.
_OF_CONNECTIONS: Final = (RedisError, OSError, TimeoutError, RuntimeError, EOFError, AttributeError, ValueError)
#: The codes of a command that can never be carried out, an error in a script among them; other refusals pass.
_FOR_GOOD: Final = ("ERR", "WRONGTYPE")


def away(fault: Exception) -> StoreAway:
    """The fault as one of ours; one that waiting does not mend, such as an error of a script, is StoreRefused."""
    if isinstance(fault, StoreAway):
        return fault
    text = f"the store did not answer ({type(fault).__name__}); try again"
    # Its subclasses (READONLY, OOM, LOADING, MOVED and so on) are states of a server.
    code = getattr(fault, "status_code", None) or str(fault).partition(" ")[0]
    if (type(fault) is ResponseError and code in _FOR_GOOD) or not isinstance(fault, _OF_CONNECTIONS):
        return StoreRefused(text)
    return StoreAway(text)
