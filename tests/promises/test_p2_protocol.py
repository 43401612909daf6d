"""P2 as a state machine: the real fence, replica and receipt on many thousand random walks, the same ones each time.

The store and the network are models: scripts are atomic, one connection delivers in order or is cut, answers of scripts
come at any time later. What a worker does follows `feed.py` step by step.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from harness.evidence import Evidence, breaks, pick
from latchstring_gateway.revocation.entry import Entry
from latchstring_gateway.revocation.fence import Fence
from latchstring_gateway.revocation.receipt import Registered, WorkerRow, write
from latchstring_gateway.revocation.replica import Replica

_ROW = WorkerRow(1_000, "closed", 60_000, 0)
_PARTITION = 0
_MS = 1_000_000
_WALKS = pick(short=8_000, long=120_000)
_STEPS = 60

pytestmark = [pytest.mark.store, pytest.mark.timeout(pick(short=180, long=600))]


@dataclass
class Beat:
    """A heartbeat under way: what it has done so far."""

    connection: int
    sent_ns: int
    known: bool | None = None
    load: tuple[int, list[Entry]] | None = None
    ping: bool = False


@dataclass
class Worker:
    """One worker's own state; `queue` is what its subscribed connection will still deliver."""

    name: str
    fence: Fence = field(default_factory=lambda: Fence(1.0))
    replica: Replica = field(default_factory=lambda: Replica(600))
    connection: int = 0
    connected: bool = False
    queue: deque[Entry | Beat] = field(default_factory=deque)
    beat: Beat | None = None

    def is_behind(self) -> bool:
        """Only one partition takes part."""
        return _PARTITION in self.replica.behind


@dataclass
class Revocation:
    """One act of forgetting, as its revoker sees it."""

    entry: Entry
    at_ms: int
    workers: tuple[Registered, ...]
    applied: set[str] = field(default_factory=set)
    complete: bool = False


class Protocol:
    """Two workers, one store, any number of devices."""

    def __init__(self) -> None:
        self.now_ms = 1_800_000_000_000
        self.entries: list[Entry] = []
        self.rows: dict[str, int] = {}
        self.workers = [Worker(name) for name in "ab"]
        self.revocations: list[Revocation] = []

    def everybody_follows(self) -> None:
        """Start where it is interesting: both workers hold."""
        for number in range(2):
            self.subscribe(number)
            self.go_on(number)

    def go_on(self, number: int) -> None:
        """Everything that is under way for a worker ends well, and a whole heartbeat follows."""
        for _ in range(2):
            self.send_pulse(number)
            for _ in range(2):
                self.read_stream(number)
                self.end_load(number)
            self.ping(number)
            while self.workers[number].queue:
                self.deliver(number)

    def time_passes(self, ms: int) -> None:
        """Nobody acts meanwhile: a freeze of everybody, or of the one whose steps do not come."""
        self.now_ms += ms

    def cut(self, number: int) -> None:
        """The subscribed connection ends; what was in it is lost. A heartbeat under way goes on, unaware."""
        worker = self.workers[number]
        worker.connected = False
        worker.queue.clear()

    def subscribe(self, number: int) -> None:
        """Another connection; numbers are forgotten before."""
        worker = self.workers[number]
        if not worker.connected:
            worker.replica.forget_numbers()
            worker.connection += 1
            worker.connected = True

    def send_pulse(self, number: int) -> None:
        """A heartbeat begins; the script has run."""
        worker = self.workers[number]
        if worker.beat is None and worker.connected:
            worker.beat = Beat(worker.connection, self.now_ms * _MS, worker.name in self.rows)
            if worker.name in self.rows:
                self.rows[worker.name] = self.now_ms

    def read_stream(self, number: int) -> None:
        """Behind, or not registered: it registers, and the store reads the stream for it. The answer is on its way."""
        worker = self.workers[number]
        beat = worker.beat
        if beat is None or beat.load is not None or (beat.known and not worker.is_behind()):
            return
        if not beat.known:
            worker.fence.drop()
            worker.replica.forget_numbers()
            self.rows[worker.name] = self.now_ms
            beat.sent_ns, beat.known = self.now_ms * _MS, True
        if beat.connection == worker.connection and worker.connected:
            beat.load = (len(self.entries), list(self.entries))
        else:
            worker.beat = None

    def end_load(self, number: int) -> None:
        """The answer is here; it counts only if its connection still stands."""
        worker = self.workers[number]
        beat = worker.beat
        if beat is None or beat.load is None:
            return
        if not self.load_counts(worker, beat):
            worker.beat = None
            return
        upto, entries = beat.load
        beat.load = None
        worker.replica.loaded(_PARTITION, upto, entries, self.now_ms * _MS)
        self.acknowledge(worker, entries)

    def load_counts(self, worker: Worker, beat: Beat) -> bool:
        """Whether the subscription that the load was read for still stands."""
        return beat.connection == worker.connection and worker.connected

    def ping(self, number: int) -> None:
        """The pulse's answer is here and nothing is left to load: PING."""
        worker = self.workers[number]
        beat = worker.beat
        if beat is not None and beat.known and beat.load is None and not beat.ping and not worker.is_behind():
            beat.ping = True
            if beat.connection == worker.connection and worker.connected:
                worker.queue.append(beat)
            else:
                worker.beat = None

    def deliver(self, number: int) -> None:
        """The next thing on the subscribed connection: a bell, or the PONG that renews the fence."""
        worker = self.workers[number]
        if not worker.queue:
            return
        message = worker.queue.popleft()
        if isinstance(message, Entry):
            worker.replica.apply(_PARTITION, message, self.now_ms * _MS)
            self.acknowledge(worker, [message])
            return
        if message is worker.beat:
            worker.beat = None
            if not worker.is_behind():
                worker.fence.renew(self.renewed_from_ns(message), self.now_ms)

    def renewed_from_ns(self, beat: Beat) -> int:
        """The moment that a heartbeat vouches for."""
        return beat.sent_ns

    def give_up(self, number: int) -> None:
        """A heartbeat that waits in vain ends."""
        worker = self.workers[number]
        if worker.beat is not None and not worker.connected:
            worker.beat = None

    def revoke(self) -> None:
        """Append, ring, then read the registry."""
        if len(self.revocations) >= 8:
            return
        number = len(self.entries) + 1
        entry = Entry(number, "device", f"d{number}", 0, self.now_ms, f"00.r{number}", "x")
        self.entries.append(entry)
        for worker in self.workers:
            if worker.connected:
                worker.queue.append(entry)
        workers = tuple(Registered(name, _ROW, pulse) for name, pulse in self.rows.items())
        self.revocations.append(Revocation(entry, self.now_ms, workers))

    def acknowledge(self, worker: Worker, entries: list[Entry]) -> None:
        """Acknowledgements are never late here: the worst case for the promise."""
        for revocation in self.revocations:
            if revocation.entry in entries:
                revocation.applied.add(worker.name)

    def judge(self) -> None:
        """Every revoker writes its receipt, and strikes whoever was silent past its limits."""
        for revocation in self.revocations:
            receipt = write(
                "r",
                at_ms=revocation.at_ms,
                now_ms=self.now_ms,
                elapsed_ms=0,
                durable=True,
                workers=self.waited_for(revocation),
                applied=self.applied(revocation),
            )
            revocation.complete |= receipt.status == "complete"
            waited_for = revocation.applied | {missing.worker for missing in receipt.missing}
            for one in revocation.workers:
                if one.worker not in waited_for and self.rows.get(one.worker) == one.pulse_ms:
                    del self.rows[one.worker]

    def waited_for(self, revocation: Revocation) -> tuple[Registered, ...]:
        """Whose acknowledgement or silence the receipt rests on."""
        return revocation.workers

    def applied(self, revocation: Revocation) -> frozenset[str]:
        """Who has acknowledged."""
        return frozenset(revocation.applied)

    def accepts_after_a_complete_receipt(self) -> bool:
        """Whether any worker would; every one is asked."""
        return any(
            worker.fence.until_ns > self.now_ms * _MS
            and not worker.replica.is_revoked("", revocation.entry.subject, "", 0)
            for worker in self.workers
            for revocation in self.revocations
            if revocation.complete
        )

    def actions(self) -> list[tuple[int, Callable[[], object]]]:
        """Everything that can happen next, with how often it does."""
        found: list[tuple[int, Callable[[], object]]] = [(3, self.revoke), (3, self.judge)]
        found += [(weight, lambda ms=ms: self.time_passes(ms)) for weight, ms in ((2, 100), (2, 450), (2, 1_100))]  # type: ignore[misc]
        for number in range(len(self.workers)):
            steps = (
                (1, self.cut),
                (3, self.subscribe),
                (2, self.send_pulse),
                (2, self.read_stream),
                (2, self.end_load),
                (2, self.ping),
                (4, self.deliver),
                (1, self.give_up),
                (2, self.go_on),
            )
            found += [(weight, lambda act=act, number=number: act(number)) for weight, act in steps]  # type: ignore[misc]
        return found


class FenceFromAnswer(Protocol):
    """The mistake `fence-from-answer`."""

    def renewed_from_ns(self, beat: Beat) -> int:
        """Now, when the PONG is here."""
        return self.now_ms * _MS


class NoBarrier(Protocol):
    """The mistake `no-barrier`."""

    def applied(self, revocation: Revocation) -> frozenset[str]:
        """Everybody, unheard."""
        return frozenset(one.worker for one in revocation.workers)


class NoPatience(Protocol):
    """The mistake `no-patience`."""

    def waited_for(self, revocation: Revocation) -> tuple[Registered, ...]:
        """Only those who spoke."""
        return tuple(one for one in revocation.workers if one.worker in revocation.applied)


class LoadOfAFormerSubscription(Protocol):
    """The mistake `load-of-a-former-subscription`."""

    def load_counts(self, worker: Worker, beat: Beat) -> bool:
        """For whatever subscription stands now."""
        beat.connection = worker.connection
        return worker.connected


_BROKEN = {
    "fence-from-answer": FenceFromAnswer,
    "no-barrier": NoBarrier,
    "no-patience": NoPatience,
    "load-of-a-former-subscription": LoadOfAFormerSubscription,
}


@pytest.mark.parametrize("seed", range(4))
def test_no_walk_ends_in_an_acceptance_after_a_complete_receipt(seed: int, evidence: Evidence) -> None:
    """Cuts, stalls, late answers, patience and strikes in any order: a complete receipt holds on every worker."""
    choice = random.Random(seed)
    make = next((broken for name, broken in _BROKEN.items() if breaks(name)), Protocol)
    walks = complete = violations = 0
    for _ in evidence.trials(_WALKS, seconds=15):
        walks += 1
        protocol = make()
        protocol.everybody_follows()
        weights, acts = zip(*protocol.actions(), strict=True)
        for act in choice.choices(range(len(acts)), weights, k=_STEPS):
            acts[act]()
            if protocol.accepts_after_a_complete_receipt():
                violations += 1
                break
        complete += sum(revocation.complete for revocation in protocol.revocations)

    evidence.row(
        promise="P2",
        tried=f"random walks of {_STEPS} steps over the real fence, replica and receipt",
        trials=walks,
        violations=violations,
    )
    assert complete > walks, "the walks lead somewhere"
