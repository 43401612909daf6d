"""A world for the rotating credential: browsers, a network, thieves and workers around a real store on driven time.

The workers are the product's own (`wiring.build`: feed, checker, renewals, scripts). The browsers are simulated: each
has one cookie, a disk that lags behind it, requests on their way and answers on their way. What the world knows of the
truth is its own and never read from the store, so it can judge what the store decides.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

from harness.driven_store import TIME_KEY, DrivenStore, Rewriting
from harness.valkey import Valkey
from harness.worker_app import AGENT, settings_for
from latchstring_gateway import wiring
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.errors import StoreAway
from latchstring_gateway.ids import Account, new_id, to_text
from latchstring_gateway.revocation.fence import clocks_agree
from latchstring_gateway.revocation.pulse import CLOCK_TOLERANCE_MS
from latchstring_gateway.sessions.check import Accepted, Denied
from latchstring_gateway.sessions.sign_in import SignIn
from latchstring_gateway.sessions.visit import Carry, Visit
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Replicas
from latchstring_gateway.tokens.keyring import create_key_file
from latchstring_gateway.tokens.purposes import Lease

T = TypeVar("T")

#: What becomes of an answer: it arrives, arrives late, arrives and comes again later, or is lost.
Fate: TypeAlias = Literal["now", "later", "twice", "never"]

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
GRACE_MS = 15 * MINUTE_MS
#: How long after its last handing out a token that comes back counts as used (docs/rotation.md).
KEPT_MS = 2 * GRACE_MS + 120_000
REQUEST_MS = 40_000
DISK_MS = 30_000
ABSOLUTE_MS = 20 * DAY_MS
#: Every account lies in one of these partitions.
_PARTITIONS = (3, 7, 99, 200)
_STREAMS = frozenset(keys.revocations(partition) for partition in _PARTITIONS)


@dataclass
class Family:
    """One sign-in, and what the world knows of it: the counter, and since when it can have been kept."""

    account: Account
    session: str
    device: str
    began_ms: int
    #: Every token of it that was ever seen.
    tokens: list[str] = field(default_factory=list)
    n: int = 1
    #: When n was last handed out, and what the store's clock said then.
    handed_ms: int = 0
    handed_store_ms: int = 0
    #: n came back so late that its owner must have kept it.
    used: bool = False
    copied: bool = False
    ended: bool = False


@dataclass
class Browser:
    """`cookie` is what it would send; `past` what it held when, as far as a crash can bring it back."""

    family: Family
    run: bytes
    cookie: str
    past: list[tuple[int, str]]
    #: Answers under way: when they were given, and the cookie they carry.
    answers: list[tuple[int, str]] = field(default_factory=list)
    #: Requests under way: when they were sent, in which life of the browser, and the cookie they carry.
    requests: list[tuple[int, int, str]] = field(default_factory=list)
    #: How often it was closed or has crashed: an answer to a former life reaches nobody.
    life: int = 0
    #: An answer came later than grace: outside the promise until the next sign-in.
    outside: bool = False


@dataclass
class Worker:
    """One of the product's workers, and how far its machine's wall clock is off."""

    rooms: wiring.Rooms
    clock: ManualClock


@dataclass
class Tally:
    """What was tried and what came of it."""

    steps: int = 0
    checks: int = 0
    rotations: int = 0
    replays: int = 0
    adopted: int = 0
    away: int = 0
    copies_due: int = 0
    copies_found: int = 0
    late_found: int = 0
    tombstones: int = 0


class World:
    """Everything outside of the product; time passes only by `pass_time`."""

    def __init__(self, valkey: Valkey, directory: Path, mistakes: list[tuple[str, str]]) -> None:
        self.loop = asyncio.new_event_loop()
        self.valkey = valkey
        self.client = valkey.client()
        # What is on disk when is not in question here; a fail-over is played by putting rows back.
        self.client.config_set("appendonly", "no")
        self.rewriting = Rewriting(mistakes)
        self.directory = directory
        self.key_file = directory / "keys.json"
        create_key_file(self.key_file)
        self.now_ms = ManualClock().wall_ms()
        self.store_off_ms = 0
        #: When a worker last noticed a clock that was set, or a fail-over: for a while nothing counts as used then.
        self.disturbed_ms = 0
        self._unaware: set[int] = set()
        #: Whether no worker has heard of the last fail-over yet, and when the first one had.
        self._is_unheard = False
        self._served_from_ms = 0
        #: By which time of the store's clock the server has let rows go.
        self._let_go_ms = self._latest_ms = self.now_ms
        self.browsers: list[Browser] = []
        self.families: list[Family] = []
        self.thief: tuple[Family, str] | None = None
        self.tally = Tally()
        self._set_store_clock()
        self.workers = [self._start_worker(self.now_ms), self._start_worker(self.now_ms)]

    @property
    def store_ms(self) -> int:
        """What the store's clock says."""
        return self.now_ms + self.store_off_ms

    def close(self) -> None:
        """Stop the workers."""
        for worker in self.workers:
            self._stop_worker(worker)
        self.loop.close()
        self.client.close()

    def begin(self) -> None:
        """Forget the browsers of the walk before, put the clocks right, and let what it did to them be over."""
        doomed = [key for family in self.families for key in self._keys_of(family)]
        doomed += [keys.outbox(keys.partition_of(family.account)) for family in self.families]
        if doomed:
            self.client.delete(*doomed)
        self.browsers, self.families, self.thief = [], [], None
        # Not by setting it back.
        self.pass_time(max(self.store_off_ms, 0) + MINUTE_MS)
        self.store_off_ms = 0
        for worker in self.workers:
            worker.clock.step_wall((self.now_ms - worker.clock.wall_ms()) / 1000)
        self.pass_time(0)
        self._beat_all()
        self.pass_time(DAY_MS)
        self._beat_all()

    # Time and trouble.

    def pass_time(self, ms: int) -> None:
        """Every clock runs on; what is late by then is lost, and rows whose time has come are gone.

        A new store is noticed by some worker's heartbeat before the first second is over.
        """
        if self._is_unheard and ms >= 1_000:
            self._is_unheard = False
            self.pass_time(300)
            self._heartbeat(0)
            ms -= 300
        self.now_ms += ms
        for worker in self.workers:
            worker.clock.advance(ms / 1000)
        self._set_store_clock()
        for browser in self.browsers:
            browser.requests = [one for one in browser.requests if one[0] + REQUEST_MS >= self.now_ms]
            browser.answers = [one for one in browser.answers if one[0] + GRACE_MS >= self.now_ms]
        if abs(self.store_ms - self._let_go_ms) >= HOUR_MS:
            self._let_rows_go()

    def step_store_clock(self, ms: int) -> None:
        """Somebody sets the clock of the store's machine.

        Not to before the last fail-over: what the store gives out then proves to its workers that it was put back from
        a backup (docs/restoring.md), and nobody is served. Nor in the very second of one, for the same reason.
        """
        if self._is_unheard:
            self.pass_time(1_000)
        if self.store_ms + ms <= self._served_from_ms + MINUTE_MS:
            return
        self.store_off_ms += ms
        self._unaware = set(range(len(self.workers)))
        self._set_store_clock()

    def step_worker_clock(self, number: int, ms: int) -> None:
        """Somebody sets the wall clock of a worker's machine."""
        self.workers[number].clock.step_wall(ms / 1000)

    def crash_worker(self, number: int) -> None:
        """A worker dies and another takes its place."""
        former = self.workers[number]
        self._stop_worker(former)
        self.workers[number] = self._start_worker(former.clock.wall_ms())
        self._notices(number)

    def fail_over(self, lost: list[tuple[Browser, Fate]], *, outage_ms: int, clock_off_ms: int) -> None:
        """What happens in the store's last second is lost: checks, with the fates of their answers.

        The clock of the store that takes over is off from the former's by `clock_off_ms`.
        """
        self._beat_all()
        self.pass_time(250)
        rows = {key: self.client.dump(key) for key in self._every_key()}
        truth = [(family.n, family.handed_ms, family.handed_store_ms, family.used) for family in self.families]
        for browser, fate in lost:
            self.check(browser, 0, "advance", fate)
            self.pass_time(200)
        for key, value in rows.items():
            left_ms = int(self.client.pttl(key))
            self.client.delete(key)
            if value is not None:
                self.client.restore(key, max(left_ms, 0), value, replace=True)
        self.client.hset(keys.DEPLOYMENT, "run_id", f"former-{self.now_ms}")
        for family, known in zip(self.families, truth, strict=False):
            family.n, family.handed_ms, family.handed_store_ms, family.used = known
        self.pass_time(outage_ms)
        self._served_from_ms = 0
        self.step_store_clock(clock_off_ms)
        self._served_from_ms = self.store_ms + 1_000
        self._is_unheard = True

    # Browsers.

    def sign_in(self, browser: Browser | None = None) -> Browser:
        """A browser signs in, for the first time or again."""
        self._let_rows_go()
        account = browser.family.account if browser else _new_account()
        started = self._run(
            self.workers[0].rooms.starter.start(
                SignIn(account, True, self.store_ms, "password", "", AGENT, "192.0.2.10"),
            )
        )
        cookie, _device, run = (line.partition(";")[0].partition("=")[2] for line in started.set_cookie)
        family = Family(account, started.session, started.device, self.store_ms, [cookie])
        family.handed_ms, family.handed_store_ms = self.now_ms, self.store_ms
        self.families.append(family)
        if browser is None:
            browser = Browser(family, run.encode(), cookie, [(self.now_ms, cookie)])
            self.browsers.append(browser)
        else:
            browser.family, browser.run, browser.outside = family, run.encode(), False
            browser.answers, browser.requests = [], []
            self._take(browser, cookie)
            browser.past = browser.past[-1:]
        return browser

    def send(self, browser: Browser) -> None:
        """A request leaves and takes its time."""
        browser.requests.append((self.now_ms, browser.life, browser.cookie))

    def judge_sent(self, browser: Browser, number: int, which: int, fate: Fate) -> None:
        """One of the requests under way arrives."""
        if browser.requests:
            _sent_ms, life, cookie = browser.requests.pop(which % len(browser.requests))
            self.check(browser, number, "advance", fate if life == browser.life else "never", cookie)

    def check(self, browser: Browser, number: int, carry: Carry, fate: Fate, cookie: str | None = None) -> None:
        """A worker judges a request, and its answer meets its fate."""
        presented = cookie or browser.cookie
        is_present = self._family_of(presented) is browser.family
        verdict = self._judge(number, presented, browser.run, carry)
        if isinstance(verdict, Denied):
            if is_present:
                self._denied(browser, verdict)
        elif verdict is not None and verdict.set_cookie is not None and is_present:
            answer = verdict.set_cookie.partition(";")[0].partition("=")[2]
            if fate in ("now", "twice"):
                self._take(browser, answer)
            if fate in ("later", "twice"):
                browser.answers.append((self.now_ms, answer))

    def deliver(self, browser: Browser, which: int, *, again: bool) -> None:
        """One of the answers under way arrives, in whatever order, and may come once more."""
        if browser.answers:
            index = which % len(browser.answers)
            _given_ms, cookie = browser.answers[index]
            if not again:
                del browser.answers[index]
            self._take(browser, cookie)

    def arrive_too_late(self, browser: Browser, cookie: str) -> None:
        """An answer of long ago arrives; one with a former token puts its browser outside the promise."""
        if self._family_of(cookie) is browser.family:
            browser.outside |= self._lease(cookie).n < browser.family.n
            self._take(browser, cookie)

    def crash_browser(self, browser: Browser, back_ms: int) -> None:
        """Its cookies are those of some moment of the last 30 s, and nothing under way reaches it any more."""
        moment = self.now_ms - min(back_ms, DISK_MS)
        held = [one for one in browser.past if one[0] <= moment] or browser.past[:1]
        browser.cookie = held[-1][1]
        browser.past = [(self.now_ms, browser.cookie)]
        self._end_life(browser)

    def restart_browser(self, browser: Browser, number: int, tabs: int, fate: Fate) -> None:
        """Closed in order and opened again: every restored tab asks at once, with the same cookie."""
        self._end_life(browser)
        cookie = browser.cookie
        for tab in range(tabs):
            self.check(browser, (number + tab) % len(self.workers), "advance", fate, cookie)

    # Thieves, and what is owed to the dead.

    def steal(self, browser: Browser) -> None:
        """A copy of the cookie leaves the browser's machine."""
        if not browser.outside:
            browser.family.copied = True
            self.thief = (browser.family, browser.cookie)

    def use_copy(self, number: int) -> None:
        """The thief comes with what he has; AssertionError if he must be found by the rules and is not."""
        if self.thief is None:
            return
        self.beat(number)
        family, cookie = self.thief
        lease = self._lease(cookie)
        behind = family.n - lease.n
        # A copy that is not brought to the store is nobody's to find: its lease may run still, or again.
        comes = not lease.issued_at_ms - 60_000 <= self.store_ms < lease.lease_end_ms + 60_000
        due = comes and not family.ended and self._is_sure(number) and (behind > 1 or (behind == 1 and family.used))
        over = self._is_over(family)
        verdict = self._judge(number, cookie, b"", "advance")
        if due and not over:
            self.tally.copies_due += 1
            assert verdict is not None, "a copy was not judged"
            assert isinstance(verdict, Denied), f"a copy {behind} behind was let in"
            assert verdict.reason == "reuse", verdict.reason
            self.tally.copies_found += 1
        if isinstance(verdict, Denied):
            if verdict.reason == "reuse":
                self._assert_told(family)
            family.ended = True
            self.thief = None
        elif verdict is not None and verdict.set_cookie is not None:
            self.thief = (family, verdict.set_cookie.partition(";")[0].partition("=")[2])

    def knock_with_the_dead(self, number: int, which: int) -> None:
        """Any token of an ended family: known as ended, or over by its own words, and never taken for a loss."""
        ended = [family for family in self.families if family.ended]
        if not ended:
            return
        family = ended[which % len(ended)]
        verdict = self._judge(number, family.tokens[which % len(family.tokens)], b"", "advance")
        self.tally.tombstones += 1
        assert verdict is None or isinstance(verdict, Denied), "an ended family was let in"
        assert verdict is None or self._is_known(family, verdict), f"no tombstone: {verdict.reason}"

    # Inside.

    def _judge(self, number: int, cookie: str, run: bytes, carry: Carry) -> Accepted | Denied | None:
        """What a worker says; None if it cannot say. Keeps the world's own books."""
        self.tally.checks += 1
        worker = self.workers[number]
        family = self._family_of(cookie)
        presented, sure = self._lease(cookie).n, self._is_sure(number)
        visit = Visit(
            token=cookie.encode(), run=run, method="GET", target="/", client_address="192.0.2.10", agent=AGENT,
            navigation=True, carry=carry, background=False, arrived_ns=worker.clock.boot_ns(),
        )  # fmt: skip
        beat = worker.rooms.feed.registry_link._pulses._last
        try:
            verdict = self._run(worker.rooms.checker.check(visit))
        except StoreAway:
            self.tally.away += 1
            return None
        finally:
            if worker.rooms.feed.registry_link._pulses._last is not beat:
                self._notices(number)
        # One whose lease still runs has told the store nothing.
        if isinstance(verdict, Accepted) and verdict.lease.token.decode() != cookie:
            family.tokens.append(verdict.lease.token.decode())
            self._note(family, presented, verdict.lease.content.n, sure=sure, asked=verdict.set_cookie is not None)
        return verdict

    def _note(self, family: Family, presented: int, n: int, *, sure: bool, asked: bool) -> None:
        self.tally.rotations += n > presented == family.n
        self.tally.replays += presented < n == family.n
        self.tally.adopted += presented == n > family.n
        calm_ms = self.now_ms - max(family.handed_ms, self.disturbed_ms)
        if n > presented or presented > family.n:
            # Handed out: by a rotation, by a replay, or by a store that had lost what it knew.
            family.n, family.handed_ms, family.handed_store_ms, family.used = n, self.now_ms, self.store_ms, False
        elif (
            sure
            and asked
            and not self._unaware
            and calm_ms >= KEPT_MS
            and self.store_ms - family.handed_store_ms >= KEPT_MS
        ):
            family.used = True

    def _denied(self, browser: Browser, verdict: Denied) -> None:
        family = browser.family
        assert self._is_known(family, verdict), f"no tombstone: {verdict.reason}"
        if browser.outside:
            self.tally.late_found += 1
        elif not family.copied and not self._is_over(family):
            raise AssertionError(f"an honest browser was signed out: {verdict.reason}")
        family.ended = True
        if self.thief is not None and self.thief[0] is family:
            self.thief = None
        self.sign_in(browser)

    def _is_over(self, family: Family) -> bool:
        # Limits end by the store's clock: one that was set beyond them and back has ended them, and let the row go.
        return max(self.store_ms, self._latest_ms) >= family.began_ms + ABSOLUTE_MS

    def _is_known(self, family: Family, verdict: Denied) -> bool:
        was_let_go = self._latest_ms > self.store_ms and self._is_over(family)
        return was_let_go or verdict.reason not in ("unknown", "lost")

    def _assert_told(self, family: Family) -> None:
        """The device is marked, and the hook's event is there, once for the sign-in."""
        partition = keys.partition_of(family.account)
        events: Any = self.client.xrange(keys.outbox(partition))
        told = [
            fields
            for _id, fields in events
            if fields[b"type"] == b"credential.reuse" and family.session.encode() in fields[b"data"]
        ]
        assert len(told) == 1, "one event for one sign-in"
        assert self.client.hget(keys.device(partition, family.device), "reuse_at_ms"), "the owner is not told"

    def _is_sure(self, number: int) -> bool:
        # One whose wall clock disagrees with the store's may not have noticed yet, but does before it accuses anybody.
        worker = self.workers[number]
        feed = worker.rooms.feed
        agrees = clocks_agree(self.store_ms, worker.clock.wall_ms())
        return agrees and feed.holds() and abs(feed.registry_link.store_ms() - self.store_ms) <= CLOCK_TOLERANCE_MS

    def beat(self, number: int) -> None:
        """A heartbeat, if the last one has run out."""
        if not self.workers[number].rooms.feed.holds():
            self._heartbeat(number)

    def _beat_all(self) -> None:
        for number in range(len(self.workers)):
            self._heartbeat(number)

    def _heartbeat(self, number: int) -> None:
        worker = self.workers[number]
        if self._run(worker.rooms.feed.refresh()):
            worker.rooms.feed.replica.prune(worker.clock.boot_ns())
        self._notices(number)

    def _notices(self, number: int) -> None:
        if number in self._unaware:
            self._unaware.discard(number)
            self.disturbed_ms = self.now_ms

    def _let_rows_go(self) -> None:
        # The server lets rows go by its own clock, which does not run here.
        gone_ms, self._let_go_ms = self.store_ms - self._let_go_ms, self.store_ms
        self._latest_ms = max(self._latest_ms, self.store_ms)
        rows = [self._session_key(family) for family in self.families]
        left = self.client.pipeline(transaction=False)
        for row in rows:
            left.pttl(row)
        let_go = self.client.pipeline(transaction=False)
        for row, left_ms in zip(rows, left.execute(), strict=True):
            if left_ms > 0:
                let_go.pexpire(row, max(left_ms - gone_ms, 1))
        let_go.execute()

    def _end_life(self, browser: Browser) -> None:
        browser.life += 1
        browser.answers = []

    def _family_of(self, cookie: str) -> Family:
        session = to_text(self._lease(cookie).session)
        return next(one for one in reversed(self.families) if one.session == session)

    def _take(self, browser: Browser, cookie: str) -> None:
        browser.cookie = cookie
        browser.past = [*(one for one in browser.past[-8:]), (self.now_ms, cookie)]

    def _lease(self, cookie: str) -> Lease:
        opened = self.workers[0].rooms.codec.open(cookie.encode(), Lease)
        assert isinstance(opened, Lease)
        return opened

    def _session_key(self, family: Family) -> str:
        return keys.session(keys.partition_of(family.account), family.session)

    def _keys_of(self, family: Family) -> list[str]:
        device = keys.device(keys.partition_of(family.account), family.device)
        return [self._session_key(family), keys.account(family.account), device]

    def _every_key(self) -> list[str]:
        return [keys.DEPLOYMENT, keys.PULSES, *{key for family in self.families for key in self._keys_of(family)}]

    def _set_store_clock(self) -> None:
        self.client.set(TIME_KEY, self.store_ms)

    def _start_worker(self, wall_ms: int) -> Worker:
        clock = ManualClock(wall_ms)
        # Heartbeats are the walk's own acts: the fence is as long as may be. Short leases bring more to the store.
        settings = settings_for(
            self.valkey.url, self.directory, keys_file=self.key_file, fence_seconds=60, heartbeat_seconds=5,
            lease_seconds=6, last_known_good_seconds=5,
            remember_absolute_seconds=ABSOLUTE_MS / 1000,
        )  # fmt: skip
        rooms = wiring.build(settings, clock=clock, make_store=self._make_store)
        rooms.feed._following.heartbeat_seconds = 86_400
        self._run(self._follow(rooms))
        return Worker(rooms, clock)

    def _make_store(self, url: str, replicas: Replicas | None = None) -> DrivenStore:
        return DrivenStore(url, self.rewriting, _STREAMS, replicas=replicas)

    async def _follow(self, rooms: wiring.Rooms) -> None:
        await rooms.feed.start()
        for _ in range(500):
            # Where the clocks disagree it follows all the same, and trusts nothing.
            if await rooms.feed.refresh() or rooms.feed.registry_link.epoch:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("a worker does not follow its store")

    def _stop_worker(self, worker: Worker) -> None:
        async def stop() -> None:
            await worker.rooms.feed.close()
            await worker.rooms.feed.store.close()
            await worker.rooms.store.close()

        self._run(stop())

    def _run(self, act: Awaitable[T]) -> T:
        async def run() -> T:
            return await act

        return self.loop.run_until_complete(run())


def _new_account() -> Account:
    names = (Account(new_id()) for _ in range(10_000))
    return next(name for name in names if keys.partition_of(name) in _PARTITIONS)
