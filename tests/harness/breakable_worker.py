"""The HTTP worker of `latchstring serve`, with the mistakes put in that `EVIDENCE_BREAK` asks for (evidence.py)."""

import os
import sys

from latchstring_gateway.supervise import http_worker


def put_mistakes_in() -> None:
    """Change the product's own functions in this process."""
    # Imported late: a sound worker must be as the product starts it, which minds the order of its imports.
    from harness.evidence import breaks
    from latchstring_gateway.sessions import answers
    from latchstring_gateway.sessions.check import Checker
    from latchstring_gateway.sessions.policy import SESSION_COOKIE
    from latchstring_gateway.wire import Reply
    from latchstring_middleware.cookies import clear_cookie

    if breaks("no-bridge"):
        Checker._may_bridge = lambda _self, _lease: False  # type: ignore[method-assign,assignment]
    if breaks("endless-bridge"):
        Checker._may_bridge = lambda self, _lease: self._feed.loaded  # type: ignore[method-assign,assignment]
    if breaks("clear-on-away"):
        cleared = (b"set-cookie", clear_cookie(SESSION_COOKIE).encode())
        answers.AWAY = Reply(503, (*answers.AWAY.headers, cleared), answers.AWAY.body)  # type: ignore[misc]


if __name__ == "__main__":
    if os.environ.get("EVIDENCE_BREAK"):
        put_mistakes_in()
    sys.exit(http_worker.main())
