"""Keys stand in the slots they claim, for ever the same."""

import binascii
import itertools

import redis.asyncio

from latchstring_gateway.ids import Account
from latchstring_gateway.store import keys

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


def _slot(text: str) -> int:
    return binascii.crc_hqx(text.encode(), 0) % 16_384


def test_tags_are_what_the_module_says() -> None:
    """Computed again: of all three-character strings in order, the first that lands nearest above p x 64."""
    best: dict[int, tuple[int, str]] = {}
    for characters in itertools.product(_ALPHABET, repeat=3):
        tag = "".join(characters)
        partition, distance = divmod(_slot(tag), 64)
        if partition not in best or distance < best[partition][0]:
            best[partition] = (distance, tag)

    assert tuple(best[partition][1] for partition in range(keys.PARTITIONS)) == keys.TAGS


def test_tags_spread_the_partitions_evenly_over_the_slots() -> None:
    """Each partition has its own slot, at most one off its place."""
    assert [_slot(tag) // 64 for tag in keys.TAGS] == list(range(keys.PARTITIONS))
    assert max(_slot(tag) % 64 for tag in keys.TAGS) <= 1


async def test_the_server_puts_all_keys_of_an_account_into_one_slot(store_client: redis.asyncio.Redis) -> None:
    """Whatever a script touches for an account lies together, by the server's own reckoning."""
    for name in ("ada", "x@example.com", "a" * 64):
        account = Account(name)
        partition = keys.partition_of(account)
        touched = [
            keys.account(account),
            keys.devices(account),
            keys.sessions(account),
            keys.browser(account, "b" * 22),
            keys.session(partition, "s" * 22),
            keys.device(partition, "d" * 22),
            keys.revocations(partition),
            keys.number(partition),
            keys.generations(partition),
            keys.receipt(partition, "ff.x"),
            keys.everybody(partition, "x"),
            keys.outbox(partition),
            keys.cursors(partition),
        ]

        slots = {await store_client.execute_command("CLUSTER", "KEYSLOT", key) for key in touched}

        assert slots == {_slot(keys.TAGS[partition])}


def test_accounts_spread_over_all_partitions() -> None:
    """Ten thousand names leave no partition empty and none with three times its share."""
    counts = [0] * keys.PARTITIONS
    for number in range(10_000):
        counts[keys.partition_of(Account(f"user{number}"))] += 1

    assert min(counts) > 0
    assert max(counts) < 3 * 10_000 / keys.PARTITIONS
