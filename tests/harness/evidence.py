"""Evidence for the promises: a test counts what it tried, in a short or a long profile, and can be broken on purpose.

    def test_nobody_is_logged_out(evidence: Evidence) -> None:
        for done in evidence.trials(pick(short=2_000, long=500_000), seconds=300):
            ...
        evidence.row(promise="P4", tried="late, lost and doubled answers", trials=done + 1, violations=len(thefts))

`EVIDENCE_PROFILE=long` chooses the long profile (`make evidence`); without it the same tests run short (`make test`).
`EVIDENCE_BREAK=no-barrier,...` asks for mistakes: the harness puts them in (a subclass, another script text, another
collaborator), the product knows nothing of them, and the row must turn red. `test_evidence.py` holds every break to it.
"""

import math
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

import pytest

from . import revocation_model

T = TypeVar("T")

Suite = Literal["store", "beacons", "edge"]


class Red(NamedTuple):
    """A test whose row a break must turn red, in the short profile."""

    test: str
    #: Which suite of `make test` it needs the servers of.
    suite: Suite = "store"
    #: Tried in the long profile only.
    slow: bool = False


class Break(NamedTuple):
    """A mistake that can be asked for by name: what it does, in one sentence, and what must notice it."""

    sentence: str
    noticed_by: tuple[Red, ...]


def _later(red: Red) -> Red:
    """The same in the long profile only: fast tests stay fast if one mistake of a kind is enough there."""
    return red._replace(slow=True)


_WALKS = Red("tests/promises/test_p2_protocol.py::test_no_walk_ends_in_an_acceptance_after_a_complete_receipt[0]")
_MODEL = Red("tests/promises/test_p2_model.py", slow=True)

_HANGS = Red("tests/promises/test_store_away.py", slow=True)
_CROWD = "tests/promises/test_p7_crowd.py"
_FAULTS = "tests/promises/test_p7_faults.py::test_a_fault_of_the_store_signs_nobody_out"
_FORGERIES = Red("tests/promises/test_p1_tokens.py::test_no_forged_altered_or_respelled_token_opens[0]")
_LEASE_TIMES = Red("tests/promises/test_p1_tokens.py::test_a_lease_is_good_without_the_store_only_while_it_runs")

_ROTATION = Red(
    "tests/promises/test_p4_rotation.py::test_no_walk_signs_an_honest_browser_out_and_every_copy_is_found",
)
_BODIES = Red("tests/promises/test_p8_bodies.py::test_no_body_stops_the_shipper_and_the_ledger_adds_up", "beacons")
_KILLED = Red(
    "tests/promises/test_p3_kill.py::test_killed_anywhere_every_hit_is_counted_exactly_once[1]", "beacons", slow=True
)

_ISLAND = Red("tests/promises/test_p2_two_primaries.py::test_of_two_primaries_only_one_confirms", slow=True)
_LOST_ROW = Red("tests/promises/test_p2_two_primaries.py::test_a_worker_lost_by_a_fail_over_is_waited_for", slow=True)
_SENTINELS = Red("tests/promises/test_p2_sentinel.py", slow=True)
_PLANNED = Red(
    "tests/promises/test_p2_planned.py::test_a_planned_fail_over_loses_nothing_that_was_answered[at-once]", slow=True
)
_COORDINATED = Red(
    "tests/promises/test_p2_planned.py::test_a_planned_fail_over_loses_nothing_that_was_answered[coordinated]",
    slow=True,
)
_HANDED_OVER = Red(
    "tests/promises/test_p2_planned.py::test_a_hand_over_on_a_cluster_loses_nothing_that_was_answered", slow=True
)
_TAKEN_OVER = Red(
    "tests/promises/test_p2_planned.py::test_a_take_over_on_a_cluster_loses_nothing_that_was_answered", slow=True
)
_REPLICAS = Red("tests/promises/test_p2_replicas_model.py::test_what_is_confirmed_survives_every_fail_over")
_CLUSTER = Red("tests/promises/test_p2_cluster.py::test_no_receipt_is_broken_on_a_cluster[0]", slow=True)
_SPELLINGS = Red(
    "tests/promises/test_p6_edge.py::test_no_spelling_of_an_identity_header_reaches_the_website", "edge", slow=True
)
_REDIRECTS = Red("tests/promises/test_p6_edge.py::test_no_redirect_leaves_the_host", "edge", slow=True)
_KEYS = Red("tests/promises/test_key_rotation.py", slow=True)
_FORWARDER = Red(
    "tests/promises/test_p2_forwarder.py::test_whatever_lies_between_nodes_and_store_receipts_are_true_and_settle[closed]",
    slow=True,
)
_FLOOD = Red("tests/promises/test_p2_flood.py", slow=True)

_BESIDES_THE_MODEL = {
    "fence-from-answer": (_later(_WALKS),),
    "no-barrier": (_WALKS, _FLOOD),
    "no-patience": (_later(_WALKS),),
    "load-of-a-former-subscription": (_later(_WALKS),),
}

_POWER = (
    Red("tests/promises/test_p3_power.py::test_with_always_no_answered_hit_is_lost[1]", "beacons"),
    Red(
        "tests/promises/test_p3_power.py::test_with_interval_at_most_100_ms_are_lost_and_the_ledger_says_so[2]",
        "beacons",
        slow=True,
    ),
)
_ANY_PROCESS = Red(
    "tests/promises/test_kill_any_process.py::test_kill_9_of_any_process_loses_no_acknowledged_hit_and_no_session",
    slow=True,
)
_KEEPER = Red(
    "tests/promises/test_p3_keep.py::test_keeper_killed_before_each_of_its_calls_changes_no_answer",
    "beacons",
    slow=True,
)
_ERASURE = Red(
    "tests/promises/test_p5_erasure.py::test_erasure_killed_before_each_of_its_calls_ends_complete",
    "beacons",
    slow=True,
)
_WAREHOUSES = Red(
    "tests/promises/test_p3_nodes.py::test_hit_that_was_retried_at_another_node_counts_once[_warehouses]",
    "beacons",
    slow=True,
)
_SINK = Red("tests/promises/test_p3_sink.py::test_sink_that_fails_in_every_way_has_each_hit_once", "beacons", slow=True)
_SHIPPERS = Red(
    "tests/promises/test_p3_shippers.py::test_shippers_at_the_same_time_count_each_hit_once", "beacons", slow=True
)
_DISK = "tests/promises/test_p3_disk.py::test_"
_IDENTIFIERS = "tests/promises/test_p5_identifiers.py"
_FULL_DISK = Red(
    f"{_DISK}full_file_system_refuses_what_it_cannot_keep_and_keeps_what_it_answered", "beacons", slow=True
)
_DAMAGED = Red(f"{_DISK}damage_costs_the_records_it_touches_and_no_other", "beacons", slow=True)
_BAD_DISK = tuple(
    Red(f"{_DISK}failing_writes_and_syncs_lose_and_double_nothing[{fsync}]", "beacons", slow=True)
    for fsync in ("always", "interval")
)

_WAREHOUSE_YEAR = Red(
    "tests/promises/test_p9_warehouse.py::test_a_year_of_a_warehouse_grows_no_further_than_its_retention",
    "beacons",
    slow=True,
)
_STORE_YEARS = Red(
    "tests/promises/test_p9_store.py::test_years_of_a_store_hold_no_more_than_who_is_signed_in", "beacons", slow=True
)

#: Every mistake that `EVIDENCE_BREAK` can ask for.
BREAKS: dict[str, Break] = {
    name: Break(sentence, (_MODEL, *_BESIDES_THE_MODEL.get(name, ())))
    for name, sentence in revocation_model.MISTAKES.items()
} | {
    "any-purpose": Break("A token opens as every purpose.", (_FORGERIES,)),
    "any-spelling": Break("Two spellings of one signature are the same token.", (_later(_FORGERIES),)),
    "retired-keys": Break("A retired key still verifies.", (_later(_FORGERIES),)),
    "answered-before-written": Break(
        "A hit is answered before it is in the journal.", (_KILLED, _FULL_DISK, _ANY_PROCESS)
    ),
    "answered-before-synced": Break("A hit is answered before the sync that its policy asks for.", _POWER),
    "short-write-is-a-write": Break("A write that wrote less than all counts as written.", _BAD_DISK),
    "forgets-what-was-claimed": Break("The index of what was counted is emptied on the way.", (_SHIPPERS,)),
    "removes-before-it-folds": Break("What is folded is removed before the fold is recorded.", (_KEEPER,)),
    "forgets-who-was-erased": Break("Shippers are not told who was erased.", (_ERASURE,)),
    "duplicates-stand": Break("What both of two nodes have counted stays counted twice.", (_WAREHOUSES,)),
    "marked-before-sent": Break("A commit is marked as sent before the sink has it.", (_SINK,)),
    "decoder-raises": Break("What a decoder raises leaves it, and its guard, and the shipper's turn.", (_BODIES,)),
    "decoder-fails": Break("Our own wire's decoder fails at every event.", (_later(_BODIES),)),
    "counts-records": Break(
        "A segment is cut into pieces by its records, not by the events that they bring.",
        (
            Red(
                "tests/promises/test_p9_expansion.py::test_packed_bodies_of_many_events_take_no_memory_by_their_number",
                "beacons",
                slow=True,
            ),
        ),
    ),
    "expired-hours-are-kept": Break("The counts of expired days stay by hour.", (_WAREHOUSE_YEAR,)),
    "the-index-never-forgets": Break("The index keeps what no retry can match any more.", (_WAREHOUSE_YEAR,)),
    "a-row-that-nothing-deletes": Break("A row is written with neither a life nor an owner.", (_STORE_YEARS,)),
    "stops-at-damage": Break("What comes after a damaged record is not read.", (_DAMAGED,)),
    "fence-never-over": Break("A fence that was renewed once holds for an hour.", (_FLOOD, _FORWARDER)),
    "follows-once": Break("A worker whose subscription is lost makes no other one.", (_FORWARDER,)),
    "identity-passes": Break("The proxies leave a client's account header where it is.", (_SPELLINGS,)),
    "cookies-are-cached": Break(
        "The proxies do not forbid caches to store an answer with a cookie.",
        (Red("tests/promises/test_p6_cache.py", "edge", slow=True),),
    ),
    "any-return-target": Break("Any target is sealed and opened.", (_REDIRECTS,)),
    "receipt-first": Break(
        "A removal is answered as complete half a second before it is recorded.",
        (_SENTINELS, _CLUSTER, _HANDED_OVER, _COORDINATED),
    ),
    "no-wait": Break("Neither heartbeats nor revocations wait for replicas.", (_ISLAND,)),
    "one-replica-confirms": Break(
        "One replica confirms what is told, however many there are.", (_REPLICAS, _PLANNED, _TAKEN_OVER)
    ),
    "no-epoch": Break("A receipt after a fail-over waits for nobody it cannot know of.", (_LOST_ROW,)),
    "leases-outlive-their-end": Break("A lease runs as long as it says itself.", (_later(_LEASE_TIMES),)),
    "no-bridge": Break(
        "Nobody is let in while the store is away.",
        (
            Red(f"{_FAULTS}[out of memory]", slow=True),
            _HANGS,
            Red(
                f"{_CROWD}::test_what_came_due_in_a_minutes_outage_is_made_up_for_without_a_stampede",
                slow=True,
            ),
        ),
    ),
    "sign-unknown-to-others": Break("A worker signs with a key as soon as it knows it itself.", (_KEYS,)),
    "no-lead": Break("A key signs as soon as every worker knows it, whatever websites hold.", (_KEYS,)),
    "endless-bridge": Break(
        "Good leases stand however long the store is away.", (Red(f"{_FAULTS}[READONLY replica]", slow=True),)
    ),
    "clear-on-away": Break(
        "The cookie is cleared when the store is away.",
        (
            Red(f"{_FAULTS}[no permission]", slow=True),
            Red(
                "tests/promises/test_p7_faults.py::test_a_crowd_that_takes_every_connection_signs_nobody_out",
                slow=True,
            ),
        ),
    ),
    "no-sharing": Break(
        "Each of a page's fetches renews its lease by a script of its own.",
        (Red(f"{_CROWD}::test_after_an_outage_each_session_costs_one_script", slow=True),),
    ),
    "ids-in-logs": Break(
        "Logs call sessions, devices and accounts by their ids.",
        (Red("tests/promises/test_p5_logs.py", slow=True),),
    ),
    "claims-in-two-steps": Break(
        "Whether a trial may be had is asked first and written down then.",
        (Red(f"{_IDENTIFIERS}::test_no_trial_is_granted_twice_in_a_race", slow=True),),
    ),
    "claims-with-the-keys-one-has": Break(
        "A worker decides on trials though others mark them under a key that it lacks.",
        (Red(f"{_IDENTIFIERS}::test_no_trial_is_granted_twice_in_a_race", slow=True),),
    ),
    "identifiers-in-clear": Break(
        "The tag of an identifier, or of a signal of a fingerprint, is an encoding of it.",
        (Red(f"{_IDENTIFIERS}::test_identifiers_are_found_nowhere_in_clear", slow=True),),
    ),
    "heartbeat-in-line": Break(
        "Renewals take every connection, and heartbeats have none of their own.",
        (Red(f"{_CROWD}::test_a_crowd_on_a_slow_store_harms_nobody_who_is_well", slow=True),),
    ),
    "no-grace": Break("A successor counts as used two minutes after it was handed out.", (_later(_ROTATION),)),
    "no-used-after": Break("A successor counts as used as soon as it comes back.", (_later(_ROTATION),)),
    "no-tombstone": Break("The row of a sign-in that ended for reuse is deleted.", (_ROTATION,)),
    "no-adoption": Break(
        "A token ahead of the store is never taken for one that a fail-over lost.", (_later(_ROTATION),)
    ),
    "advance-unused": Break(
        "The counter moves on from a token that nobody is known to have kept.", (_later(_ROTATION),)
    ),
    "accuse-unheard": Break(
        "A worker accuses before it has asked for the store's epoch and clock.", (_later(_ROTATION),)
    ),
    "clock-unwatched": Break("A store clock that was set is not noticed.", (_later(_ROTATION),)),
    "replay-forgotten": Break("A replay does not count as handing the successor out.", (_later(_ROTATION),)),
    "lost-answers-accuse": Break(
        "A former token is taken for a copy, whether or not anybody has its successor.",
        (Red("tests/promises/test_p4_tvs.py", slow=True),),
    ),
    "guesses-by-worker": Break(
        "Each worker counts wrong codes for itself.", (Red("tests/promises/test_guesses.py", slow=True),)
    ),
    "tasks-end-in-silence": Break(
        "A background task ends with the first exception of its step.",
        (
            Red("tests/promises/test_p8_supervision.py::test_every_background_step_survives_what_it_raises"),
            Red(
                "tests/promises/test_p8_supervision.py::test_every_step_of_the_other_processes_survives_what_it_raises",
                slow=True,
            ),
        ),
    ),
    "children-die-in-silence": Break(
        "The supervisor says of every child that it is well.",
        (Red("tests/promises/test_p8_supervision.py::test_every_child_is_kept_however_it_fails", slow=True),),
    ),
    "copy-let-in": Break("The former token is answered with its successor for ever.", (_later(_ROTATION),)),
}


def is_long() -> bool:
    """Whether the long profile was asked for; ValueError if the environment asks for an unknown one."""
    profile = os.environ.get("EVIDENCE_PROFILE", "short")
    if profile not in ("short", "long"):
        raise ValueError(f"EVIDENCE_PROFILE: expected short or long, got {profile!r}")
    return profile == "long"


def pick(*, short: T, long: T) -> T:
    """The value for the profile of this run."""
    return long if is_long() else short


def breaks(name: str) -> bool:
    """Whether this run asks for the mistake `name`; ValueError if it, or what the environment asks for, is unknown."""
    asked = [word.strip() for word in os.environ.get("EVIDENCE_BREAK", "").split(",") if word.strip()]
    for one in (name, *asked):
        if one not in BREAKS:
            raise ValueError(f"EVIDENCE_BREAK: unknown break {one!r}; known: {', '.join(sorted(BREAKS))}")
    return name in asked


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: how often a promise was tried in one way, and how often it did not hold."""

    promise: str
    tried: str
    trials: int
    violations: int
    seconds: float

    def is_red(self) -> bool:
        """The promise did not hold, or nothing was tried."""
        return self.violations > 0 or self.trials <= 0


class Listener(Protocol):
    """Who watches a run of the long profile (a pytest plugin called LISTENER)."""

    def progressed(self, done: int, total: int) -> None:
        """The test that runs now has done so much."""
        ...


LISTENER = "evidence-listener"


@dataclass
class Evidence:
    """What one test tried so far. Rows that say the same of the same promise are added up over all tests."""

    properties: list[tuple[str, Any]]
    listener: Listener | None = None
    rows: int = 0
    _since: float = field(default_factory=time.monotonic)
    _told_at: float = 0.0

    def progress(self, done: int, total: int) -> None:
        """Tell whoever watches; cheap enough for every trial."""
        if self.listener is not None and time.monotonic() > self._told_at + 0.1:
            self._told_at = time.monotonic()
            self.listener.progressed(done, total)

    def trials(self, at_most: int, *, seconds: float) -> Iterator[int]:
        """Numbers from 0 up to `at_most` trials, fewer when `seconds` are over: a slow machine tries less, not longer.

        The short profile has no time limit: its counts are small, and the same everywhere.
        """
        deadline = time.monotonic() + seconds if is_long() else math.inf
        for done in range(at_most):
            if time.monotonic() > deadline:
                return
            self.progress(done, at_most)
            yield done

    def row(self, *, promise: str, tried: str, trials: int, violations: int) -> None:
        """Write down a row, timed since the one before; fails the test if the row is red."""
        now = time.monotonic()
        row = Row(promise, tried, trials, violations, now - self._since)
        self._since = now
        self.rows += 1
        # As a dictionary, which can travel from one process to another.
        self.properties.append(("evidence", asdict(row)))
        assert trials > 0, f"{promise}: nothing was tried: {tried}"
        assert violations == 0, f"{promise}: {violations} of {trials} trials violated it: {tried}"


@pytest.fixture
def evidence(request: pytest.FixtureRequest) -> Iterator[Evidence]:
    """Where a test writes down what it tried; a test that asks for it and writes nothing fails."""
    breaks(next(iter(BREAKS)))  # a misspelled EVIDENCE_BREAK must not pass for a sound run
    written = Evidence(request.node.user_properties, request.config.pluginmanager.get_plugin(LISTENER))
    yield written
    if request.session.exitstatus == pytest.ExitCode.INTERRUPTED:
        return
    assert written.rows > 0, "the test took the evidence fixture and wrote no row"
