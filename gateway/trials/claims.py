"""Claims to free trials: whether an account may have one, kept so that nobody who shares an identifier has it again.

Everything of a trial lies in the partition of its name, so one script decides and writes. Why this is enough, and what
it costs, stands in docs/trials.md.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, cast

from .. import logs
from ..errors import Conflict, StoreAway
from ..ids import Account, new_id
from ..metrics import TRIALS
from ..store import keys
from ..store.client import Store
from ..store.names import names_in
from ..store.scripts import load
from ..tokens.keyfile import RingKey
from ..tokens.keyring import KeyRing
from ..tokens.log_names import LogNames
from .identifiers import Identifier, may_be_shared, rows

_SCRIPTS: Final = Path(__file__).parent
_CLAIM = load(
    _SCRIPTS / "claim.lua",
    keys=("key_ids",),
    args=("prefix", "keeps", "claim_id", "life_ms", "shared_after", "key_count", "row_count", "first_shared"),
)
_NAME_TRIAL = load(_SCRIPTS / "name_trial.lua", keys=("trials",), args=("trial", "most"))
_PERMIT = load(_SCRIPTS / "permit.lua", keys=("key_ids", "permit"), args=("key_id", "by", "reason", "life_ms"))
_FORGET_ACCOUNT = load(_SCRIPTS / "forget_account.lua", keys=("key_ids",), args=("prefix", "key_count"))
_FORGET_KEY = load(_SCRIPTS / "forget_key.lua", keys=("key_ids",), args=("prefix", "key_id", "until_ms"))

#: An erasure asks every trial there ever was.
MOST_TRIALS: Final = 1_000
PERMIT_DAYS: Final = 30
_DAY_MS: Final = 86_400_000
#: A key may come into use between reading which are, and the script.
_TRIES: Final = 3

_log = logs.get("trials")

Outcome: TypeAlias = Literal["granted", "held", "refused"]


@dataclass(frozen=True, slots=True)
class Reason:
    """An identifier with which somebody else has had the trial; one that is `shared` is told and refuses nobody."""

    kind: str
    claim: str
    claimed_at_ms: int
    shared: bool

    def as_dict(self) -> dict[str, object]:
        """For an answer."""
        return {"kind": self.kind, "claim": self.claim, "claimed_at_ms": self.claimed_at_ms, "shared": self.shared}


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a claim, or would: `claim` and its time are there if it was granted, or is held from before.

    `overridden`: granted whatever the reasons say, because somebody allowed it.
    """

    outcome: Outcome
    claim: str
    claimed_at_ms: int
    overridden: bool
    reasons: tuple[Reason, ...]


class Trials:
    """The claims of a deployment. Every method raises StoreAway, also while this process lacks a key that is in use."""

    def __init__(self, store: Store, ring: KeyRing, names: LogNames, *, days: int, shared_after: int) -> None:
        self._store = store
        self._ring = ring
        self._names = names
        self._life_ms = days * _DAY_MS
        self._shared_after = shared_after

    async def check(self, trial: str, account: Account | None, identifiers: Sequence[Identifier]) -> Decision:
        """What a claim would be answered now; keeps nothing."""
        decision = await self._decide(trial, account, identifiers, keeps=False)
        TRIALS.labels("eligible" if decision.outcome == "granted" else "not_eligible").inc()
        return decision

    async def claim(self, trial: str, account: Account, identifiers: Sequence[Identifier]) -> Decision:
        """Grant the trial unless one of the identifiers has had it; of two claims at once the second sees the first.

        Repeated by the same account it is `held`, since the same moment. A refusal keeps nothing of whom it is about.
        Raises Conflict (too many names of trials), and TooFewReplicas: then it is kept, and repeating it tells.
        """
        await self._note_name(trial)
        decision = await self._decide(trial, account, identifiers, keeps=True)
        TRIALS.labels("overridden" if decision.overridden else decision.outcome).inc()
        if decision.overridden:
            named = self._names.of("account", account)
            _log.info("trial_granted_by_override", trial=trial, account=named, claim=decision.claim)
        return decision

    async def override(self, trial: str, account: Account, *, by: str, reason: str) -> int:
        """Let the account's next claim be granted, once, within 30 days; gives the end of that. May be repeated.

        Raises Conflict (too many names of trials).
        """
        await self._note_name(trial)
        signing = self._ring.signing_key()
        (tag,) = rows([signing], trial, [Identifier("account", account)])
        until_ms = await _PERMIT(
            self._store,
            {"key_ids": keys.trial_key_ids(trial), "permit": keys.trial_permit(trial, tag)},
            {"key_id": signing.id, "by": by, "reason": reason, "life_ms": PERMIT_DAYS * _DAY_MS},
            replicas=self._store.replicas.writes,
        )
        named = self._names.of("account", account)
        _log.info("trial_overridden", trial=trial, account=named, by=by, reason=reason)
        return int(until_ms)

    async def forget_account(self, account: Account) -> int:
        """Forget every claim and override of an account; how many claims. May be repeated."""
        forgotten = 0
        for trial in await self._trials():
            answer = await self._with_keys(trial, partial(self._forget, trial, account))
            forgotten += int(answer[1])
        TRIALS.labels("forgotten").inc(forgotten)
        _log.info("trials_forgotten", account=self._names.of("account", account), claims=forgotten)
        return forgotten

    async def forget_key(self, key_id: str) -> int:
        """Forget every claim and override made under a key of the ring until now; how many claims. May be repeated.

        The key need not be there any more. Looks through every key of the trials' servers, a second for a million.
        """
        forgotten = 0
        for trial in await self._trials():
            partition = keys.partition_of_trial(trial)
            _none, until_ms = await self._forget_names(trial, key_id, 0, ())
            async for names in names_in(self._store, partition, "trial-*"):
                claims, _now_ms = await self._forget_names(trial, key_id, until_ms, tuple(names))
                forgotten += claims
        TRIALS.labels("forgotten").inc(forgotten)
        _log.info("trials_forgotten", key_id=key_id, claims=forgotten)
        return forgotten

    async def _decide(
        self, trial: str, account: Account | None, identifiers: Sequence[Identifier], *, keeps: bool
    ) -> Decision:
        # One that nobody has, where there is none yet.
        asker = Identifier("account", new_id() if account is None else account)
        asked = [asker, *sorted(identifiers, key=may_be_shared)]
        first_shared = 1 + sum(not may_be_shared(one) for one in asked)
        claim_id = new_id()

        async def decide(known: Sequence[RingKey]) -> list[Any]:
            answer: list[Any] = await _CLAIM(
                self._store,
                {"key_ids": keys.trial_key_ids(trial)},
                {
                    "prefix": keys.prefix(keys.partition_of_trial(trial)),
                    "keeps": int(keeps),
                    "claim_id": claim_id,
                    "life_ms": self._life_ms,
                    "shared_after": self._shared_after,
                    "key_count": len(known),
                    "row_count": len(asked),
                    "first_shared": first_shared,
                },
                (*(key.id for key in known), *rows(known, trial, asked)),
                replicas=self._store.replicas.writes if keeps else 0,
            )
            return answer

        outcome, claim, claimed_at_ms, overridden, *reasons = await self._with_keys(trial, decide)
        told = [Reason(asked[row - 1].kind, str(id_), int(at_ms), shared == 1) for row, id_, at_ms, shared in reasons]
        told.sort(key=lambda reason: (reason.claimed_at_ms, reason.claim, reason.kind))
        return Decision(cast(Outcome, outcome), str(claim), int(claimed_at_ms), overridden == 1, tuple(told))

    async def _forget(self, trial: str, account: Account, known: Sequence[RingKey]) -> list[Any]:
        answer: list[Any] = await _FORGET_ACCOUNT(
            self._store,
            {"key_ids": keys.trial_key_ids(trial)},
            {"prefix": keys.prefix(keys.partition_of_trial(trial)), "key_count": len(known)},
            (*(key.id for key in known), *rows(known, trial, [Identifier("account", account)])),
            replicas=self._store.replicas.writes,
        )
        return answer

    async def _forget_names(self, trial: str, key_id: str, until_ms: int, names: tuple[str, ...]) -> tuple[int, int]:
        claims, now_ms = await _FORGET_KEY(
            self._store,
            {"key_ids": keys.trial_key_ids(trial)},
            {"prefix": keys.prefix(keys.partition_of_trial(trial)), "key_id": key_id, "until_ms": until_ms},
            names,
            replicas=self._store.replicas.writes,
        )
        return int(claims), int(now_ms)

    async def _note_name(self, trial: str) -> None:
        noted = await _NAME_TRIAL(
            self._store,
            {"trials": keys.TRIALS},
            {"trial": trial, "most": MOST_TRIALS},
            replicas=self._store.replicas.writes,
        )
        if noted == "full":
            raise Conflict("too_many_trials", f"expected at most {MOST_TRIALS} names of trials")

    async def _trials(self) -> list[str]:
        return sorted(str(name) for name in await self._store.guard(self._store.redis.smembers(keys.TRIALS)))

    async def _with_keys(self, trial: str, act: Callable[[Sequence[RingKey]], Awaitable[list[Any]]]) -> list[Any]:
        """The answer of a script that wants tags under every key in use for the trial, the signing one first."""
        for _ in range(_TRIES):
            used = await self._store.guard(self._store.redis.zrange(keys.trial_key_ids(trial), 0, -1))
            signing = self._ring.signing_key()
            # The retired ones too: what they marked is as true as before.
            others = [key for key in self._ring.all_keys() if key.id in used and key is not signing]
            answer = await act([signing, *others])
            if answer[0] != "behind":
                return answer
            if self._ring.get(str(answer[1])) is None:
                break
        raise StoreAway(
            f"trials were claimed under the key {answer[1]}, which is not in this worker's key file; put it back, or "
            f"forget what was claimed under it: latchstring trials forget --key {answer[1]}",
            code="trial_key_missing",
        )
