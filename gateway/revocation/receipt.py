"""What a revoker may promise: who has applied a revocation, who is missing, and from when it is certain. Pure."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from .fence import DRIFT

#: "silent": it has not confirmed. "cache": it has, but its proxy may repeat an older answer. "fail_over": a worker
#: whose row the store may have lost, if there is one; nobody knows its name.
Why: TypeAlias = Literal["silent", "cache", "fail_over"]
UNKNOWN_WORKER: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Missing:
    """A worker that may still accept what was revoked, why, and when (store time, ms) it no longer can."""

    worker: str
    certain_at_ms: int
    why: Why = "silent"


@dataclass(frozen=True, slots=True)
class Receipt:
    """Complete: nobody accepts it any more. Partial: nobody will from `certain_at_ms` on, and `missing` says who might.

    `workers` is `applied` and the missing ones. `durable` says whether the entry was on the store's disk before this
    was written.
    """

    id: str
    status: Literal["complete", "partial"]
    applied: int
    workers: int
    elapsed_ms: float
    durable: bool
    missing: tuple[Missing, ...] = ()
    certain_at_ms: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The JSON shape of the API."""
        return {
            "id": self.id,
            "status": self.status,
            "applied": self.applied,
            "workers": self.workers,
            "elapsed_ms": round(self.elapsed_ms, 1),
            "durable": self.durable,
            "missing": [{"worker": m.worker, "certain_at_ms": m.certain_at_ms, "why": m.why} for m in self.missing],
            "certain_at_ms": self.certain_at_ms,
        }


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """How a worker behaves when it hears nothing, as it wrote it into the registry. Spans in milliseconds."""

    fence_ms: int
    rule: Literal["closed", "last-known-good"]
    last_known_good_ms: int
    verify_cache_ms: int
    keys: tuple[str, ...] = field(default=())

    def to_json(self) -> str:
        """The registry's value."""
        return json.dumps({name: getattr(self, name) for name in self.__slots__}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "WorkerRow":
        """Parse a registry value; raises ValueError, TypeError or KeyError if it is not one."""
        raw = json.loads(text)
        spans = [raw["fence_ms"], raw["last_known_good_ms"], raw["verify_cache_ms"]]
        if any(type(span) is not int or span < 0 for span in spans) or raw["rule"] not in ("closed", "last-known-good"):
            raise ValueError("expected spans in milliseconds and a rule")
        return cls(spans[0], raw["rule"], spans[1], spans[2], tuple(str(key) for key in raw["keys"]))

    def certain_at_ms(self, at_ms: int, pulse_ms: int, settled_ms: int = 0) -> int:
        """When (store time) this worker, silent ever since, no longer accepts what was revoked at `at_ms`.

        Its last heartbeat that can lack the entry was sent before min(at, pulse), or, unheard of here, to a former
        server before `settled_ms`: a fence runs out one fence later, an outage is bridged for `last_known_good_ms`
        after it; a tenth more for clocks of unequal rates.
        """
        silent_since = max(min(at_ms, pulse_ms), settled_ms)
        span = self.fence_ms
        if self.rule == "last-known-good":
            span = max(span, self.last_known_good_ms)
        return silent_since + round(span * DRIFT) + self.verify_cache_ms


@dataclass(frozen=True, slots=True)
class Registered:
    """One worker of the registry as a revoker read it."""

    worker: str
    row: WorkerRow
    pulse_ms: int
    #: False where its row could not be read, and `row` says what such a worker may do at most.
    is_readable: bool = True


def write(
    revocation_id: str,
    *,
    at_ms: int,
    now_ms: int,
    elapsed_ms: float,
    durable: bool,
    workers: Iterable[Registered],
    applied: frozenset[str],
    settled_ms: int = 0,
    not_before_ms: int = 0,
) -> Receipt:
    """Judge a revocation at store time `now_ms`, given who was registered after it was appended and who applied it.

    `settled_ms` is since when no former server can have renewed a fence, 0 if there never was one; `not_before_ms` the
    time before which no receipt may be complete (a fail-over's bound).
    """
    everybody = tuple(workers)
    missing = [
        Missing(one.worker, certain)
        for one in everybody
        if one.worker not in applied and (certain := one.row.certain_at_ms(at_ms, one.pulse_ms, settled_ms)) > now_ms
    ]
    missing += [
        Missing(one.worker, at_ms + one.row.verify_cache_ms, "cache")
        for one in everybody
        if one.worker in applied and at_ms + one.row.verify_cache_ms > now_ms and one.row.verify_cache_ms
    ]
    if not_before_ms > now_ms:
        missing.append(Missing(UNKNOWN_WORKER, not_before_ms, "fail_over"))
    names = {one.worker for one in missing}
    # A worker whose patience is over counts neither as applied nor as there: it cannot answer for anybody any more.
    counted = sum(1 for one in everybody if one.worker in applied and one.worker not in names)
    return Receipt(
        revocation_id,
        "partial" if missing else "complete",
        applied=counted,
        workers=counted + len(missing),
        elapsed_ms=elapsed_ms,
        durable=durable,
        missing=tuple(missing),
        certain_at_ms=max((one.certain_at_ms for one in missing), default=None),
    )
