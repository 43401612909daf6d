"""Processes that claim a free trial for overlapping accounts, lose answers, and die; and whether any was granted twice.

    python -m harness.trial_claimers STORE_URL KEY_FILE SEED CLAIMS OUTPUT

Each account claims with the same identifiers every time, of which it shares some with a few others. What it hears is
appended to OUTPUT, a line an answer: account, outcome, claim. It says that it is ready, and begins when it hears a
line.
"""

import asyncio
import contextlib
import os
import random
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha1
from pathlib import Path
from typing import Any

from latchstring_gateway.clock import SystemClock
from latchstring_gateway.errors import StoreAway
from latchstring_gateway.ids import Account
from latchstring_gateway.store.client import Store
from latchstring_gateway.store.scripts import Script
from latchstring_gateway.tokens.keyring import KeyRing
from latchstring_gateway.tokens.log_names import LogNames
from latchstring_gateway.trials import claims
from latchstring_gateway.trials.claims import Trials
from latchstring_gateway.trials.identifiers import Identifier

from .evidence import breaks

TRIAL = "free-month"
ACCOUNTS = 600


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer."""

    account: int
    outcome: str
    claim: str


def identifiers_of(account: int) -> list[Identifier]:
    """What an account goes by: a chain of cards and phones, so that everybody has neighbours and nobody all of them."""
    return [
        Identifier("card", f"card-{account // 2}"),
        Identifier("phone", f"phone-{(account + 1) // 2}"),
        Identifier("email", f"person-{account % 200}"),
    ]


def trials(store: Store, ring: KeyRing) -> Trials:
    """The product's, with the mistakes put in that are asked for."""
    if breaks("claims-in-two-steps"):
        claims._CLAIM = _InTwoSteps()  # type: ignore[assignment]
    if breaks("claims-with-the-keys-one-has"):
        claims._CLAIM = _without("if lacking then return {'behind', lacking} end")
    return Trials(store, ring, LogNames(ring), days=10, shared_after=0)


def _without(words: str) -> Script:
    """The script without some of its words."""
    text = claims._CLAIM.text
    assert words in text
    text = text.replace(words, "")
    return replace(claims._CLAIM, text=text, digest=sha1(text.encode()).hexdigest())


class _InTwoSteps:
    """Asks first, and then writes without looking."""

    keys, args = claims._CLAIM.keys, claims._CLAIM.args

    def __init__(self) -> None:
        self._sound = claims._CLAIM
        self._blind = _without("refuses = refuses or not shared")

    async def __call__(self, store: Store, keys: Any, args: Mapping[str, Any], *rest: Any, **more: Any) -> Any:
        answer = await self._sound(store, keys, {**args, "keeps": 0}, *rest, **more)
        return (
            await self._blind(store, keys, args, *rest, **more) if answer[0] == "granted" and args["keeps"] else answer
        )


async def claim_some(url: str, key_file: Path, seed: int, count: int, output: Path) -> None:
    """Claim for random accounts, ten at a time; every fifth answer is lost on the way.

    With an even seed it hears of no new key, as a worker whose host is behind.
    """
    chance = random.Random(seed)
    store = Store(url)
    ring = KeyRing.load(key_file, SystemClock())
    asked = trials(store, ring)
    heard = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    async def once() -> None:
        account, patience = chance.randrange(ACCOUNTS), chance.choice((0.001, 5, 5, 5, 5))
        with contextlib.suppress(StoreAway, TimeoutError):
            async with asyncio.timeout(patience):
                decision = await asked.claim(TRIAL, Account(f"person-{account}"), identifiers_of(account))
            os.write(heard, f"{account} {decision.outcome} {decision.claim}\n".encode())

    print("ready", flush=True)
    sys.stdin.readline()
    try:
        for _ in range(count // 10):
            if seed % 2:
                ring.reload_if_changed()
            await asyncio.gather(*(once() for _ in range(10)))
    finally:
        await store.close()


def read(output: Path) -> list[Heard]:
    """What was heard."""
    lines = [line.split(" ") for line in output.read_text().splitlines()]
    return [Heard(int(account), outcome, claim) for account, outcome, claim in lines]


def violations(heard: list[Heard], held: Mapping[int, str]) -> list[str]:
    """What must not be, with `held` the claim of each account that holds the trial in the end; in words."""
    found = []
    having: dict[Identifier, set[int]] = defaultdict(set)
    for account in held:
        for identifier in identifiers_of(account):
            having[identifier].add(account)
    found += [f"{one} was granted to {sorted(who)}" for one, who in having.items() if len(who) > 1]
    for one in heard:
        if one.outcome in ("granted", "held") and held.get(one.account) != one.claim:
            found.append(f"{one} was told and is not so")
        if one.outcome == "refused" and not any(having[each] for each in identifiers_of(one.account)):
            found.append(f"{one} for no reason")
    return found


if __name__ == "__main__":
    asyncio.run(claim_some(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5])))
