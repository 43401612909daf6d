"""What a worker knows to be revoked: gaps, loads, memory."""

from latchstring_gateway.ids import Account
from latchstring_gateway.revocation.entry import Entry, Kind
from latchstring_gateway.revocation.replica import Replica
from latchstring_gateway.store import keys

_SECOND = 1_000_000_000


def _entry(number: int, subject: str = "", kind: Kind = "device", generation: int = 0) -> Entry:
    return Entry(number, kind, subject or f"d{number}", generation, 1_800_000_000_000 + number, f"r{number}", "-")


def _loaded(keep_seconds: float = 600) -> Replica:
    replica = Replica(keep_seconds)
    for partition in range(256):
        replica.loaded(partition, 0, [], 0)
    return replica


def test_a_new_replica_is_behind_everywhere() -> None:
    """Before it was loaded, a worker can vouch for no partition."""
    assert len(Replica(600).behind) == 256
    assert not _loaded().behind


def test_each_kind_ends_what_it_names() -> None:
    """A device entry ends the device, a session entry the session, an account entry every smaller generation."""
    replica = _loaded()

    replica.apply(0, _entry(1, "dev"), 0)
    replica.apply(0, _entry(2, "ses", "session"), 0)
    replica.apply(0, _entry(3, "ada", "account", 5), 0)

    assert replica.is_revoked("s", "dev", "bob", 0)
    assert replica.is_revoked("ses", "d", "bob", 0)
    assert replica.is_revoked("s", "d", "ada", 4)
    assert not replica.is_revoked("s", "d", "ada", 5)
    assert not replica.is_revoked("s", "d", "bob", 0)


def test_an_everybody_entry_ends_the_smaller_generations_of_its_partition_alone() -> None:
    """Accounts of the other 255 partitions have entries of their own; a higher generation signed in since."""
    replica = _loaded()
    ada = keys.partition_of(Account("ada"))

    replica.apply(ada, _entry(1, f"{ada:02x}", "everybody", 5), 0)
    replica.apply(ada, _entry(2, f"{ada:02x}", "everybody", 4), 0)

    assert replica.is_revoked("s", "d", "ada", 4)
    assert not replica.is_revoked("s", "d", "ada", 5)
    assert not replica.is_revoked("s", "d", "bob", 0)
    assert [(partition, entry.generation) for partition, entry in replica.holdings()] == [(ada, 5)]
    replica.prune(600 * _SECOND)
    assert not replica.is_revoked("s", "d", "ada", 4), "so old a lease asks the store, which keeps the floor"


def test_numbers_without_a_gap_leave_nothing_behind() -> None:
    """Bells that follow each other need no reading."""
    replica = _loaded()

    for number in range(1, 50):
        replica.apply(3, _entry(number), 0)

    assert not replica.behind


def test_a_gap_puts_the_partition_behind_until_it_is_loaded() -> None:
    """A missing number means a missed entry: the stream must be read before a fence renews."""
    replica = _loaded()
    replica.apply(3, _entry(1), 0)

    replica.apply(3, _entry(3), 0)

    assert replica.behind == {3}
    assert replica.loaded(3, 3, [_entry(1), _entry(2), _entry(3)], 0) == [_entry(2)]
    assert not replica.behind
    assert replica.is_revoked("", "d2", "", 0)


def test_a_load_from_before_a_gap_does_not_close_it() -> None:
    """An answer that was under way when the gap opened knows nothing of it: the partition stays behind."""
    replica = _loaded()
    replica.forget_numbers()
    replica.apply(3, _entry(7), 0)

    replica.loaded(3, 4, [_entry(n) for n in range(1, 5)], 0)

    assert 3 in replica.behind
    replica.loaded(3, 7, [_entry(n) for n in range(1, 8)], 0)
    assert 3 not in replica.behind


def test_a_load_overtaken_by_bells_is_good() -> None:
    """Bells that follow the loaded number without a gap need no second load, and neither do those it had seen."""
    replica = Replica(600)
    replica.apply(3, _entry(5), 0)
    replica.apply(3, _entry(6), 0)

    replica.loaded(3, 4, [_entry(n) for n in range(1, 5)], 0)
    replica.apply(3, _entry(7), 0)

    assert 3 not in replica.behind


def test_bells_the_load_had_already_seen_make_no_gap() -> None:
    """A bell may be read after the load that contains its entry."""
    replica = Replica(600)
    replica.loaded(3, 20, [_entry(n) for n in range(1, 21)], 0)

    for number in (18, 19, 20, 21):
        replica.apply(3, _entry(number), 0)

    assert 3 not in replica.behind


def test_after_a_reconnect_nothing_is_forgotten_and_no_number_trusted() -> None:
    """What is revoked stays so; every partition is to be read again."""
    replica = _loaded()
    replica.apply(3, _entry(1), 0)

    replica.forget_numbers()

    assert len(replica.behind) == 256
    assert replica.is_revoked("", "d1", "", 0)


def test_entries_are_forgotten_after_their_time_and_not_before() -> None:
    """An entry is kept for its whole span after it was first heard."""
    replica = _loaded(600)
    replica.apply(0, _entry(1), 5 * _SECOND)
    replica.apply(0, _entry(2, "ada", "account", 2), 6 * _SECOND)

    replica.prune(605 * _SECOND - 1)
    assert replica.is_revoked("", "d1", "", 0)
    replica.prune(605 * _SECOND)
    assert not replica.is_revoked("", "d1", "", 0)
    assert replica.is_revoked("", "", "ada", 1)
    replica.prune(606 * _SECOND)
    assert not replica.is_revoked("", "", "ada", 1)
    assert replica.holdings() == []


def test_a_longer_lease_elsewhere_keeps_what_is_already_held() -> None:
    """When a worker with longer leases joins, what was heard before is kept for them too."""
    replica = _loaded(600)
    replica.apply(0, _entry(1), 0)

    replica.keep_ns = 7200 * _SECOND
    replica.prune(7199 * _SECOND)

    assert replica.is_revoked("", "d1", "", 0)


def test_an_account_signed_out_twice_is_pruned_once() -> None:
    """Two entries of one account, taken in at the same instant: forgetting them raised KeyError.

    It ended the task that sends heartbeats, ten minutes after a worker had loaded such a stream.
    """
    replica = Replica(600)
    replica.loaded(0, 2, [_entry(1, "ada", "account", 1), _entry(2, "ada", "account", 2)], 0)
    assert replica.is_revoked("", "", "ada", 1)

    replica.prune(601 * _SECOND)

    assert not replica.is_revoked("", "", "ada", 1)
    assert replica.holdings() == []


def test_a_disable_and_a_later_sign_out_are_held_apart() -> None:
    """Both can be given back; the older one forgotten, the younger still counts."""
    replica = _loaded()
    replica.apply(0, _entry(1, "ada", "disable", 3), 0)
    replica.apply(0, _entry(2, "ada", "account", 4), 5 * _SECOND)

    assert [entry.kind for _partition, entry in replica.holdings()] == ["disable", "account"]
    assert not replica.apply(0, _entry(1, "ada", "disable", 3), 0)
    replica.prune(601 * _SECOND)
    assert replica.is_revoked("s", "d", "ada", 3)
    replica.prune(606 * _SECOND)
    assert not replica.is_revoked("s", "d", "ada", 3)


def test_an_older_generation_read_again_takes_nothing_back() -> None:
    """A reload brings an account's entries in their old order; the highest generation stays."""
    replica = _loaded()
    replica.apply(0, _entry(9, "ada", "account", 4), 0)

    replica.loaded(0, 9, [_entry(5, "ada", "account", 3), _entry(9, "ada", "account", 4)], 0)

    assert replica.is_revoked("", "", "ada", 3)
    assert [entry.generation for _, entry in replica.holdings()] == [4]


def test_memory_is_bounded_by_revocations_and_not_by_reconnects() -> None:
    """Reading the same stream again and again, as a flapping connection does, adds nothing."""
    replica = _loaded()
    stream = [
        *(_entry(n) for n in range(1, 100)),
        _entry(100, "d1"),
        *(_entry(100 + n, "ada", "account", n) for n in range(1, 20)),
    ]

    for round_number in range(50):
        replica.forget_numbers()
        replica.loaded(0, 119, stream, round_number * _SECOND)

    assert len(replica.holdings()) == 100
    assert len(replica._kept) <= len(stream)
