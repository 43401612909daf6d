"""A model of the revocation protocol for exhaustive search: one entry, one worker, and a world that does its worst.

The property is of one worker and one entry, and others reach them only through the store: they make it notice a
restart, and they strike rows. So one worker and "somebody else" stand for any number of them. What is left out, and why
that is sound, is in docs/revocation.md. Each step names the code it models; a test checks that those names exist.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

#: What can be done wrong, one rule of the protocol at a time.
MISTAKES: Final = {
    "fence-by-read": "The pulse is a read: an isolated old primary answers it, and renews the fence.",
    "register-after-load": "A worker loads, is vouched for, and registers only then.",
    "no-barrier": "A receipt is complete as soon as the registry has been read.",
    "ping-before-pulse": "The PING is sent first, and the pulse after its PONG.",
    "load-of-a-former-subscription": "A load counts although its subscription was lost meanwhile.",
    "no-patience": "A worker that has been silent for half a fence is taken for dead.",
    "no-epoch-fence": "After a restart the registry that is left is trusted at once.",
    "registry-before-append": "The revoker reads the registry, then appends.",
    "fence-from-answer": "The fence is renewed from the PONG instead of from the sending of the pulse.",
    "strike-unseen": "A row is struck although its worker has pulsed since it was found silent.",
    "load-from-elsewhere": "A load may be read from another server than the one that is subscribed to.",
}

NONE, PRIMARY, OLD = 0, 1, 2
IDLE, SENT, PULSED, ENTERED, LOADED, PINGED = "idle", "sent", "pulsed", "entered", "loaded", "pinged"
NOTHING, READ_EARLY, APPENDED, WAITING, COMPLETE = range(5)


class State(NamedTuple):
    """Everything at one instant. Ages and spans are in ticks, and stop counting at the length of the fence."""

    # The store.
    stream: bool = False  # holds the entry
    epoch: int = 0
    noticed: bool = True  # some script has compared the run id since the last restart
    stamp_age: int = 99
    row: bool = False
    pulse_age: int = 99
    doomed: bool = False  # somebody has read a pulse older than a fence, and is about to strike the row
    # The old primary after a fail-over: isolated, it answers reads from what it had.
    old: bool = False
    old_row: bool = False
    old_stream: bool = False
    fail_overs: int = 0
    # The revoker.
    revoker: int = NOTHING
    at_age: int = 0
    waits: int = -1  # how long it still waits for the worker in silence; -1: not at all
    not_before: int = 0
    # The worker.
    node: int = NONE  # whom it is subscribed to
    channel: str = ""  # what that connection will still deliver: E the bell, G a PONG
    knows: bool = False
    behind: bool = True
    fence: int = 0  # how long it still holds
    epoch_known: int = -1
    # Its heartbeat.
    beat: str = IDLE
    same: bool = False  # the subscription of the beginning stands
    sent_age: int = 0
    known: bool = False  # the answer of the pulse: the row was there
    answered: int = 0  # and the epoch
    catching_up: bool = False
    answer: bool = False  # the load on its way holds the entry


Successors = Iterator[tuple[str, State]]


@dataclass(frozen=True, slots=True)
class Step:
    """One kind of step, and the code that takes it."""

    take: Callable[["Model", State], Successors]
    models: tuple[str, ...]


STEPS: list[Step] = []


def step(*models: str) -> Callable[[Callable[["Model", State], Successors]], Callable[["Model", State], Successors]]:
    """Register a step with what it models: `module:name` below gateway/revocation, a script, or `world` for fate."""

    def register(take: Callable[["Model", State], Successors]) -> Callable[["Model", State], Successors]:
        STEPS.append(Step(take, models))
        return take

    return register


@dataclass(frozen=True, slots=True)
class Model:
    """The protocol, with a fence of so many ticks, at most so many fail-overs, and perhaps one mistake."""

    fence_ticks: int = 2
    fail_overs: int = 1
    mistake: str | None = None

    def starts(self) -> dict[str, State]:
        """Nothing is revoked. The second can be reached from the first, and makes for shorter counter-examples."""
        started = State(stamp_age=self.fence_ticks, pulse_age=self.fence_ticks)
        follows = started._replace(
            row=True, pulse_age=0, node=PRIMARY, behind=False, fence=self.fence_ticks, epoch_known=0
        )
        return {"a worker starts": started, "a worker follows": follows}

    def successors(self, state: State) -> Successors:
        """Everything that can happen next."""
        for one in STEPS:
            for label, after in one.take(self, state):
                yield label, self._without_history(after)

    def _without_history(self, s: State) -> State:
        # What nothing will ask for any more must not keep states apart.
        if s.old_row and self.mistake != "fence-by-read":
            s = s._replace(old_row=False)
        if s.revoker >= WAITING and (s.at_age or s.stamp_age or not s.noticed):
            s = s._replace(at_age=0, stamp_age=0, noticed=True)
        if s.revoker == COMPLETE and s.waits >= 0:
            s = s._replace(waits=-1)
        return s

    @staticmethod
    def is_bad(state: State) -> bool:
        """The receipt is complete, and the worker would accept a lease of what was revoked."""
        return state.revoker == COMPLETE and state.fence > 0 and not state.knows

    def older(self, age: int) -> int:
        """An age one tick later."""
        return min(age + 1, self.fence_ticks)


@step("world")
def time_passes(model: Model, s: State) -> Successors:
    """A tick in which nobody acts: whoever has something to do is frozen, slow, or late."""
    yield (
        "time passes",
        s._replace(
            stamp_age=model.older(s.stamp_age),
            pulse_age=model.older(s.pulse_age),
            at_age=model.older(s.at_age) if s.revoker >= APPENDED else 0,
            waits=max(s.waits - 1, 0) if s.waits >= 0 else -1,
            not_before=max(s.not_before - 1, 0),
            fence=max(s.fence - 1, 0),
            sent_age=model.older(s.sent_age) if s.beat != IDLE else 0,
        ),
    )


@step("world")
def connection_is_lost(_model: Model, s: State) -> Successors:
    """What was in it is lost. The fence stands; a heartbeat under way goes on, unaware."""
    if s.node != NONE:
        yield "the subscription is lost", _cut(s)


@step("world")
def worker_crashes(_model: Model, s: State) -> Successors:
    """Another process starts in its place. Nobody waits for the dead one: the worst case."""
    if s.node != NONE or s.row or s.beat != IDLE:
        fresh = s._replace(row=False, waits=-1, knows=False, behind=True, fence=0, epoch_known=-1, doomed=False)
        yield "the worker is killed and another one starts", _cut(_ended(fresh))


@step("world")
def store_fails_over(model: Model, s: State) -> Successors:
    """Another run id. Connections stay at the old primary, now isolated, until they are lost; a restart loses them.

    The entry is durable (assumed); rows and pulses that were written lately may be lost.
    """
    if s.fail_overs < model.fail_overs:
        failed = _cut(s) if s.node == OLD else s._replace(node=OLD if s.node == PRIMARY else NONE)
        failed = failed._replace(
            old=True,
            old_row=s.row,
            old_stream=s.stream,
            epoch=s.epoch + 1,
            noticed=False,
            pulse_age=model.fence_ticks,
            fail_overs=s.fail_overs + 1,
        )
        yield "the store fails over and loses the last pulses", failed
        if s.row:
            yield "the store fails over and loses the worker's row", failed._replace(row=False, doomed=False)


@step("pulse.lua")
def somebody_notices_the_restart(_model: Model, s: State) -> Successors:
    """Another worker's pulse compares the run id."""
    if not s.noticed:
        yield "another worker's pulse notices the restart", _noticed(s)


@step("registry:read")
def somebody_is_out_of_patience(model: Model, s: State) -> Successors:
    """The revoker of something else reads a pulse that is older than a fence."""
    if s.row and not s.doomed and s.pulse_age == model.fence_ticks:
        yield "another revoker finds the worker silent for a fence", s._replace(doomed=True)


@step("registry:strike", "forget_worker.lua", "certify:Certifier._strike_silent")
def somebody_strikes(_model: Model, s: State) -> Successors:
    """It strikes the row, if there was no pulse in between."""
    if s.doomed and s.row:
        yield "that revoker strikes the worker's row", s._replace(row=False, doomed=False)


@step("subscription:Subscription.open", "replica:Replica.forget_numbers", "link:Link._follow")
def worker_subscribes(_model: Model, s: State) -> Successors:
    """Another connection, to whichever server still answers; no number is trusted any more."""
    if s.node == NONE:
        yield "the worker subscribes", s._replace(node=PRIMARY, behind=True)
        if s.old:
            yield "the worker subscribes to the old primary", s._replace(node=OLD, behind=True)


@step("link:Link._take", "subscription:Subscription._dispatch", "replica:Replica.apply")
def bell_is_heard(_model: Model, s: State) -> Successors:
    """The next thing on the connection is the entry: applied, and acknowledged in the same instant (the worst case)."""
    if s.channel.startswith("E"):
        yield "the worker hears the bell", s._replace(channel=s.channel[1:], knows=True)


@step("link:Link._beat_once")
def heartbeat_begins(model: Model, s: State) -> Successors:
    """The time is noted, and the subscription."""
    if s.beat == IDLE and s.node != NONE:
        begun = s._replace(same=True, sent_age=0)
        if model.mistake == "ping-before-pulse":
            yield "a heartbeat begins with a PING", begun._replace(beat=PINGED, channel=s.channel + "G")
        else:
            yield "a heartbeat begins", begun._replace(beat=SENT)


@step("link:Link._pulse", "pulse.lua")
def pulse_runs(model: Model, s: State) -> Successors:
    """The script writes; on the old primary it fails, and with it the heartbeat. Its answer is on its way."""
    if s.beat != SENT:
        return
    if s.node == OLD:
        if model.mistake == "fence-by-read":
            answered = s._replace(beat=PULSED, known=s.old_row, answered=s.epoch - 1)
            yield "the old primary answers the pulse", answered
        return
    doomed = s.doomed if model.mistake == "strike-unseen" else False
    pulsed = _noticed(s)._replace(beat=PULSED, known=s.row, answered=s.epoch)
    if s.row:
        pulsed = pulsed._replace(pulse_age=0, doomed=doomed)
    yield f"the pulse runs: row {'there' if s.row else 'missing'}", pulsed


@step("link:Link._catch_up", "feed:Feed._register", "registry:register", "register.lua", "fence:Fence.drop")
def worker_registers(model: Model, s: State) -> Successors:
    """The row was missing or the epoch is another: trust nothing, register, then load everything."""
    if s.beat != PULSED or (s.known and s.answered == s.epoch_known):
        return
    dropped = s._replace(fence=0, behind=True, beat=ENTERED, catching_up=True)
    if model.mistake == "register-after-load":
        if s.answered != s.epoch_known:
            yield "it will register later", dropped
    elif s.node != OLD:
        yield "the worker registers", dropped._replace(row=True, pulse_age=0, doomed=False)


@step("loading:_read", "load.lua")
def load_is_read(model: Model, s: State) -> Successors:
    """The store reads the stream; the answer is on its way. A read: the old primary answers it too."""
    behind = s.beat == PULSED and _is_vouched_for(model, s) and s.behind
    if (s.beat == ENTERED or behind) and s.same:
        here = s._replace(beat=LOADED, catching_up=s.beat == ENTERED)
        if s.node == OLD:
            yield "the old primary reads the stream for it", here._replace(answer=s.old_stream)
            return
        yield f"the stream is read: {_holds(s.stream)}", here._replace(answer=s.stream)
        if s.old and model.mistake == "load-from-elsewhere":
            yield f"the old primary reads the stream: {_holds(s.old_stream)}", here._replace(answer=s.old_stream)


@step("loading:load_partitions", "loading:_take", "replica:Replica.loaded")
def load_is_taken(model: Model, s: State) -> Successors:
    """The answer counts only if the subscription that it was read for stands."""
    if s.beat != LOADED:
        return
    if s.same or (model.mistake == "load-of-a-former-subscription" and s.node != NONE):
        taken = s._replace(knows=s.knows or s.answer, behind=False, answer=False, same=True)
        if s.catching_up:
            taken = taken._replace(epoch_known=s.answered, beat=SENT, sent_age=0, catching_up=False)
            yield "the load is taken, and the heartbeat begins again", taken
        else:
            yield "the load is taken", taken._replace(beat=PULSED)


@step("subscription:Subscription.ping")
def ping_is_sent(model: Model, s: State) -> Successors:
    """Nothing is left to load. The server takes the PING at once: the earliest PONG is the worst case."""
    if s.beat == PULSED and s.same and not s.behind and _is_vouched_for(model, s):
        if model.mistake == "ping-before-pulse":
            yield "the fence is renewed", _renewed(model, s)
        else:
            yield "PING is sent", s._replace(beat=PINGED, channel=s.channel + "G")


@step("link:Link._renew", "fence:Fence.renew")
def pong_is_heard(model: Model, s: State) -> Successors:
    """The next thing on the connection is the PONG: the fence holds from the sending."""
    if not s.channel.startswith("G"):
        return
    heard = s._replace(channel=s.channel[1:])
    if s.beat != PINGED:
        yield "a PONG nobody waits for", heard
    elif model.mistake == "ping-before-pulse":
        yield "PONG", heard._replace(beat=SENT, sent_age=0)
    elif s.behind:
        yield "PONG, but behind again", _ended(heard)
    else:
        if model.mistake == "register-after-load" and not s.row:
            heard = heard._replace(row=True, pulse_age=0)
        yield "PONG: the fence is renewed", _renewed(model, heard)


@step("link:Link._heartbeat")
def heartbeat_fails(_model: Model, s: State) -> Successors:
    """The store leaves it without an answer. Waiting for a PONG, the connection is given up."""
    if s.beat != IDLE:
        yield "the heartbeat fails", _cut(s) if s.beat == PINGED else _ended(s)


@step("revoke:Revoker._append", "revoke.lua", "append.lua")
def revoker_appends(model: Model, s: State) -> Successors:
    """Into the stream, and to everybody who is subscribed: one script."""
    if model.mistake == "registry-before-append":
        if s.revoker == NOTHING:
            yield f"the revoker reads the registry: {_row(s)}", _waiting(model, s)._replace(revoker=READ_EARLY)
        if s.revoker == READ_EARLY:
            yield "the revocation is appended", _appended(s)._replace(revoker=WAITING, waits=s.waits)
    elif s.revoker == NOTHING:
        yield "the revocation is appended", _appended(s)._replace(revoker=APPENDED, at_age=0)


@step("registry:read", "receipt:WorkerRow.certain_at_ms", "certify:Certifier._not_before_ms", "roll_call.lua")
def revoker_reads_registry(model: Model, s: State) -> Successors:
    """After the append; whoever enters later loads later. The same script notices a restart."""
    if s.revoker == APPENDED:
        read = _waiting(model, s if model.mistake == "no-epoch-fence" else _noticed(s))
        not_before = 0 if model.mistake == "no-epoch-fence" else model.fence_ticks - read.stamp_age
        yield f"the revoker reads the registry: {_row(s)}", read._replace(revoker=WAITING, not_before=not_before)


@step("barrier:Barrier.wait", "receipt:write", "certify:Certifier.certify")
def receipt_is_written(model: Model, s: State) -> Successors:
    """Complete: whoever was registered has acknowledged, or can no longer accept; and no fail-over is too young."""
    waited = s.waits <= 0 or s.knows or model.mistake == "no-barrier"
    if s.revoker == WAITING and waited and s.not_before == 0:
        yield "the receipt is complete", s._replace(revoker=COMPLETE)


def _cut(s: State) -> State:
    cut = s._replace(node=NONE, channel="", same=False)
    return _ended(cut) if s.beat == PINGED else cut


def _ended(s: State) -> State:
    return s._replace(beat=IDLE, same=False, sent_age=0, known=False, answered=0, catching_up=False, answer=False)


def _noticed(s: State) -> State:
    return s if s.noticed else s._replace(noticed=True, stamp_age=0)


def _renewed(model: Model, s: State) -> State:
    age = 0 if model.mistake == "fence-from-answer" else s.sent_age
    return _ended(s)._replace(fence=model.fence_ticks - age)


def _is_vouched_for(model: Model, s: State) -> bool:
    known = s.known or model.mistake == "register-after-load"
    return known and s.answered == s.epoch_known


def _appended(s: State) -> State:
    return s._replace(stream=True, channel=s.channel + "E" if s.node == PRIMARY else s.channel)


def _waiting(model: Model, s: State) -> State:
    silent = max(s.at_age, s.pulse_age)
    patience = model.fence_ticks // 2 if model.mistake == "no-patience" else model.fence_ticks
    return s._replace(waits=max(patience - silent, 0) if s.row else -1)


def _holds(stream: bool) -> str:
    return "it holds the entry" if stream else "it does not hold the entry"


def _row(s: State) -> str:
    return "the worker is there" if s.row else "the worker is not there"
