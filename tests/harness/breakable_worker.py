"""The HTTP worker of `latchstring serve`, with the mistakes put in that `EVIDENCE_BREAK` asks for (evidence.py)."""

import asyncio
import dataclasses
import os
import sys
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha1
from pathlib import Path
from typing import Any

import msgspec

from latchstring_gateway.supervise import http_worker
from latchstring_gateway.supervise.shared_metrics import share_metrics


def put_mistakes_in() -> None:
    """Change the product's own functions in this process."""
    # Imported late: a sound worker must be as the product starts it, which minds the order of its imports.
    share_metrics(Path(os.environ["LATCHSTRING_DATA_DIR"]))
    from harness.evidence import breaks
    from latchstring_gateway.beacons.journal import Journal
    from latchstring_gateway.fingerprint import signals
    from latchstring_gateway.revocation.barrier import Barrier
    from latchstring_gateway.revocation.key_agreement import Agreement
    from latchstring_gateway.revocation.receipt import Receipt
    from latchstring_gateway.revocation.revoke import Revoker
    from latchstring_gateway.sessions import answers, return_path
    from latchstring_gateway.sessions.check import Checker
    from latchstring_gateway.sessions.policy import SESSION_COOKIE
    from latchstring_gateway.supervise.children import KeptChild
    from latchstring_gateway.tokens.keyring import KeyRing
    from latchstring_gateway.tokens.log_names import LogNames
    from latchstring_gateway.trials import identifiers
    from latchstring_gateway.wire import Reply
    from latchstring_middleware.cookies import clear_cookie

    if breaks("no-bridge"):
        Checker._may_bridge = lambda *_args, **_options: False  # type: ignore[method-assign]
    if breaks("endless-bridge"):
        Checker._may_bridge = lambda self, *_args, **_options: self._feed.loaded  # type: ignore[method-assign]
    _tell_whom(LogNames, identifiers, signals)
    if breaks("clear-on-away"):
        cleared = (b"set-cookie", clear_cookie(SESSION_COOKIE).encode())
        answers.AWAY = Reply(503, (*answers.AWAY.headers, cleared), answers.AWAY.body)  # type: ignore[misc]
    if breaks("no-barrier"):
        Barrier.wait = _everybody_at_once  # type: ignore[assignment]
    if breaks("receipt-first"):
        _receipt_first(Revoker, Receipt)
    if breaks("sign-unknown-to-others"):
        KeyRing.usable = lambda self, _agreed: setattr(self, "_agreed", None)  # type: ignore[method-assign,assignment]
    if breaks("no-lead"):
        may_sign = Agreement.may_sign
        Agreement.may_sign = lambda self, _lead_seconds: may_sign(self, 0)  # type: ignore[method-assign,assignment]
    if breaks("answered-before-written"):
        _answered_early(Journal)
    if breaks("children-die-in-silence"):
        _never_told(KeptChild)
    if breaks("any-return-target"):
        return_path.is_own = lambda target: True
    _put_mistakes_of_following_in()
    _put_mistakes_of_tvs_in()


def _put_mistakes_of_following_in() -> None:
    from harness.evidence import breaks
    from latchstring_gateway.revocation.fence import Fence
    from latchstring_gateway.revocation.link import Link

    if breaks("fence-never-over"):
        _never_over(Fence)
    if breaks("follows-once"):
        _follows_once(Link)


def _put_mistakes_of_tvs_in() -> None:
    from harness.evidence import breaks
    from latchstring_gateway.activation.budget import Budgets
    from latchstring_gateway.sessions import renew

    if breaks("lost-answers-accuse"):
        right = "elseif presented == n - 1 and n_used == '0' then"
        renew._RENEW = _rewritten(renew._RENEW, right, "elseif false then")
    if breaks("guesses-by-worker"):
        _counted_apart(Budgets)


def _rewritten(script: Any, right: str, wrong: str) -> Any:
    assert right in script.text, "the text that a mistake replaces has been edited away"
    text = script.text.replace(right, wrong)
    return dataclasses.replace(script, text=text, digest=sha1(text.encode(), usedforsecurity=False).hexdigest())


def _counted_apart(budgets: Any) -> None:
    call = budgets._call
    budgets._call = lambda one, budget, whose, **more: call(one, budget, f"{os.getpid()} {whose}", **more)


def _tell_whom(log_names: Any, identifiers: Any, signals: Any) -> None:
    from harness.evidence import breaks

    if breaks("ids-in-logs"):
        log_names.of = lambda _self, _kind, subject: subject
    if breaks("identifiers-in-clear"):
        identifiers.tag = lambda _key, _trial, one: urlsafe_b64encode(one.value.encode()).decode()
        signals.tag = lambda _key, _account, _name, value: value.encode().hex()


def _never_told(kept_child: Any) -> None:
    row = kept_child.row
    kept_child.row = lambda one: msgspec.structs.replace(row(one), state="running", speaks=False)


def _never_over(fence_class: Any) -> None:
    renew = fence_class.renew

    def renew_for_an_hour(fence: Any, sent_ns: int, store_ms: int, **more: Any) -> None:
        renew(fence, sent_ns, store_ms, **more)
        fence.until_ns += 3_600 * 10**9

    fence_class.renew = renew_for_an_hour


def _follows_once(link_class: Any) -> None:
    follow = link_class._follow

    async def follow_once(link: Any, turns: Any) -> None:
        if link.loaded:
            await asyncio.Event().wait()
        await follow(link, turns)

    link_class._follow = follow_once


def _answered_early(journal_class: Any) -> None:
    append = journal_class.append

    def append_later(journal: Any, payload: bytes, done: Callable[[bool], object]) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(done, True)
        loop.call_later(1.0, append, journal, payload, lambda _kept: None)

    journal_class.append = append_later


def _receipt_first(revoker: Any, receipt: Any) -> None:
    revoke, under_way = revoker.revoke, set()

    async def answer_early(one: Any, account: str, *what: Any, **more: Any) -> Any:
        if account == "nobody":
            # By these removals the harness finds out who is there.
            return await revoke(one, account, *what, **more)

        async def later() -> None:
            await asyncio.sleep(0.5)
            await revoke(one, account, *what, **more)

        under_way.add(asyncio.create_task(later()))
        return receipt("00.early", "complete", 1, 1, 0, durable=True)

    revoker.revoke = answer_early


async def _everybody_at_once(_self: object, _id: str, workers: frozenset[str], _patience: float) -> frozenset[str]:
    return workers


if __name__ == "__main__":
    if os.environ.get("EVIDENCE_BREAK"):
        put_mistakes_in()
    sys.exit(http_worker.main())
