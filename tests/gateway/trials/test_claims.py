"""Claims to trials on a real store: once for each identifier, held for who has it, forgotten when they should be."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from harness.people import RING
from harness.waiting import wait_until_async
from harness.worker_app import dump
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.errors import Conflict, StoreAway
from latchstring_gateway.ids import Account
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Store
from latchstring_gateway.tokens.keyfile import KeyState, RingKey
from latchstring_gateway.tokens.keyfile import dump as key_file
from latchstring_gateway.tokens.keyring import KeyRing
from latchstring_gateway.tokens.log_names import LogNames
from latchstring_gateway.trials.claims import Decision, Trials
from latchstring_gateway.trials.identifiers import Identifier

_TRIAL = "free-month"
_DAY_MS = 86_400_000
_CARD, _MAIL, _TV = Identifier("card", "fp_1"), Identifier("email", "ada@example.com"), Identifier("hardware", "tv1")
_ADA, _BOB, _CLEO = Account("ada"), Account("bob"), Account("cleo")


def _ring(*numbers: int, retired: int = 0) -> KeyRing:
    """A ring of these keys, of which the last signs."""
    made = [
        RingKey(f"tEst0{n}", KeyState.RETIRED if n == retired else KeyState.ACTIVE, n, 0, bytes([n] * 32))
        for n in numbers
    ]
    return KeyRing.from_json(key_file(made), ManualClock())


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """The emptied store."""
    store = Store(store_url)
    yield store
    await store.close()


def _trials(store: Store, ring: KeyRing = RING, *, shared_after: int = 20, days: int = 10) -> Trials:
    return Trials(store, ring, LogNames(ring), days=days, shared_after=shared_after)


def _kinds(decision: Decision) -> list[str]:
    return [reason.kind for reason in decision.reasons]


async def test_a_trial_is_granted_once_for_each_identifier(store: Store) -> None:
    """Whoever shares one is refused, and told which kinds, when and by which claim; another trial is another matter."""
    trials = _trials(store)
    first = await trials.claim(_TRIAL, _ADA, [_CARD, _MAIL, _TV])

    refused = await trials.claim(_TRIAL, _BOB, [_MAIL, Identifier("card", "fp_2"), _TV])

    assert (first.outcome, first.reasons) == ("granted", ())
    assert (refused.outcome, refused.claim, sorted(_kinds(refused))) == ("refused", "", ["email", "hardware"])
    assert {(one.claim, one.claimed_at_ms) for one in refused.reasons} == {(first.claim, first.claimed_at_ms)}
    assert (await trials.claim(_TRIAL, _CLEO, [Identifier("card", "fp_2")])).outcome == "granted"
    assert (await trials.claim("free-year", _BOB, [_MAIL])).outcome == "granted"


async def test_who_asks_again_holds_it_since_the_same_moment(store: Store) -> None:
    """A lost answer costs nobody his trial, and repeating gives nothing new, under another key of the ring either."""
    first = await _trials(store, _ring(1)).claim(_TRIAL, _ADA, [_CARD])

    for ring in (_ring(1), _ring(1, 2)):
        again = await _trials(store, ring).claim(_TRIAL, _ADA, [_CARD, _MAIL])
        assert (again.outcome, again.claim, again.claimed_at_ms) == ("held", first.claim, first.claimed_at_ms)


async def test_a_question_keeps_nothing(store: Store) -> None:
    """Not even of who was refused; without an account too."""
    trials = _trials(store)
    await trials.claim(_TRIAL, _ADA, [_CARD])
    before = await dump(store)

    asked = [
        await trials.check(_TRIAL, None, [_CARD]),
        await trials.check(_TRIAL, _BOB, [_CARD, _MAIL]),
        await trials.check(_TRIAL, _ADA, [_CARD]),
        await trials.check(_TRIAL, None, [_MAIL]),
    ]

    assert [one.outcome for one in asked] == ["refused", "refused", "held", "granted"]
    assert await dump(store) == before


async def test_a_refusal_keeps_nothing_of_whom_it_refuses(store: Store) -> None:
    """Nobody finds out later that he asked."""
    trials = _trials(store)
    await trials.claim(_TRIAL, _ADA, [_CARD])
    before = await dump(store)

    await trials.claim(_TRIAL, _BOB, [_CARD, _MAIL])

    assert await dump(store) == before


async def test_of_claims_at_once_one_is_granted(store: Store) -> None:
    """Twenty accounts, one card: one script decides, whatever order they come in."""
    trials = _trials(store)

    decided = await asyncio.gather(*(trials.claim(_TRIAL, Account(f"a{n}"), [_CARD]) for n in range(20)))

    assert sorted(one.outcome for one in decided) == ["granted", *["refused"] * 19]


async def test_an_override_grants_the_next_claim_once(store: Store) -> None:
    """Somebody's appeal was right: he gets it all the same; who allowed it and why is kept with the claim."""
    trials = _trials(store)
    first = await trials.claim(_TRIAL, _ADA, [_CARD])
    await trials.override(_TRIAL, _BOB, by="support-17", reason="ticket 4711")

    told = await trials.check(_TRIAL, _BOB, [_CARD])
    granted = await trials.claim(_TRIAL, _BOB, [_CARD])
    again = await trials.claim(_TRIAL, _BOB, [_CARD])

    assert (told.outcome, told.overridden) == ("granted", True)
    assert (granted.outcome, granted.overridden, _kinds(granted)) == ("granted", True, ["card"])
    assert (again.outcome, again.claim, again.overridden) == ("held", granted.claim, False)
    row = next(row for key, row in (await dump(store)).items() if key.endswith(f"trial-claim:{granted.claim}"))
    assert (row["by"], row["reason"]) == ("support-17", "ticket 4711")
    refused = await trials.claim(_TRIAL, _CLEO, [_CARD])
    assert [one.claim for one in refused.reasons] == [first.claim, granted.claim]


async def test_an_override_of_who_holds_it_begins_anew(store: Store) -> None:
    """Once; a repeated answer tells of the new claim."""
    trials = _trials(store, _ring(1))
    first = await trials.claim(_TRIAL, _ADA, [_CARD])
    for _ in range(2):
        await trials.override(_TRIAL, _ADA, by="me", reason="outage")
    rotated = _trials(store, _ring(1, 2))

    second = await rotated.claim(_TRIAL, _ADA, [_CARD])
    third = await rotated.claim(_TRIAL, _ADA, [_CARD])

    assert (second.outcome, second.overridden) == ("granted", True)
    assert second.claim != first.claim
    assert (third.outcome, third.claim) == ("held", second.claim)


async def test_an_erased_account_is_forgotten_in_every_trial(store: Store) -> None:
    """With its overrides; what others had with the same identifiers stays."""
    trials = _trials(store)
    await trials.claim("free-year", _CLEO, [_TV])
    before = await dump(store)
    await trials.claim(_TRIAL, _ADA, [_CARD, _MAIL])
    await trials.override("free-year", _ADA, by="me", reason="why")
    await trials.override(_TRIAL, _ADA, by="me", reason="why")

    assert await trials.forget_account(_ADA) == 1
    assert await trials.forget_account(_ADA) == 0

    left = {key: value for key, value in (await dump(store)).items() if "trial-keys" not in key}
    known = {key: value for key, value in before.items() if "trial-keys" not in key}
    assert left == {**known, keys.TRIALS: {_TRIAL, "free-year"}}
    assert (await trials.claim(_TRIAL, _BOB, [_CARD])).outcome == "granted"


async def test_erasing_one_of_two_leaves_what_the_other_had(store: Store) -> None:
    """A card that two have used, by an override, is remembered until both are forgotten."""
    trials = _trials(store)
    await trials.claim(_TRIAL, _ADA, [_CARD])
    await trials.override(_TRIAL, _BOB, by="me", reason="why")
    await trials.claim(_TRIAL, _BOB, [_CARD])

    await trials.forget_account(_ADA)
    assert (await trials.check(_TRIAL, _CLEO, [_CARD])).outcome == "refused"
    await trials.forget_account(_BOB)
    assert (await trials.check(_TRIAL, _CLEO, [_CARD])).outcome == "granted"


async def test_keys_rotate_and_what_was_claimed_is_remembered(store: Store) -> None:
    """Under the new key, and after the old one was retired."""
    await _trials(store, _ring(1)).claim(_TRIAL, _ADA, [_CARD])

    for ring in (_ring(1, 2), _ring(1, 2, retired=1)):
        assert (await _trials(store, ring).claim(_TRIAL, _BOB, [_CARD])).outcome == "refused"
    assert (await _trials(store, _ring(1, 2)).claim(_TRIAL, _CLEO, [_MAIL])).outcome == "granted"
    assert (await _trials(store, _ring(2, 1)).claim(_TRIAL, _BOB, [_MAIL])).outcome == "refused"


async def test_who_lacks_a_key_in_use_decides_nothing(store: Store) -> None:
    """It could overlook a claim: 503 with the remedy, for a claim, a question and an erasure."""
    await _trials(store, _ring(1)).claim(_TRIAL, _ADA, [_CARD])
    behind = _trials(store, _ring(2))
    before = await dump(store)

    for act in (
        behind.claim(_TRIAL, _BOB, [_MAIL]),
        behind.check(_TRIAL, None, [_MAIL]),
        behind.forget_account(_ADA),
    ):
        with pytest.raises(StoreAway, match="tEst01") as refused:
            await act
        assert refused.value.code == "trial_key_missing"
    assert await dump(store) == before


async def test_what_a_key_marked_is_forgotten_whole(store: Store) -> None:
    """Also without its key; what was claimed under others stays, and nothing of it is left in the store."""
    one, both = _trials(store, _ring(1)), _trials(store, _ring(1, 2))
    await one.claim(_TRIAL, _ADA, [_CARD, _TV])
    await one.override(_TRIAL, _BOB, by="me", reason="why")
    await one.claim("free-year", _ADA, [_CARD])
    kept = await both.claim(_TRIAL, _CLEO, [_MAIL])

    assert await _trials(store, _ring(2)).forget_key("tEst01") == 2

    left = await dump(store)
    assert [key for key in left if "trial-claim" in key] == [
        f"{keys.prefix(keys.partition_of_trial(_TRIAL))}trial-claim:{kept.claim}"
    ]
    assert len([key for key in left if ":trial:" in key]) == 2
    assert not any("trial-permit" in key or "trial-askers" in key for key in left if "tEst01" in str(left[key]))
    after = _trials(store, _ring(2))
    assert (await after.claim(_TRIAL, _ADA, [_CARD])).outcome == "granted"
    assert (await after.claim(_TRIAL, _BOB, [_MAIL])).outcome == "refused"


async def test_a_hardware_id_that_many_show_refuses_nobody(store: Store) -> None:
    """A product line's: the first are refused, then it is told and decides nothing; a card decides as ever."""
    trials = _trials(store, shared_after=5)
    outcomes = [(await trials.claim(_TRIAL, Account(f"person-{n}"), [_TV])).outcome for n in range(40)]
    with_card = await trials.claim(_TRIAL, Account("one-more"), [_TV, _CARD])
    second = await trials.claim(_TRIAL, Account("two-more"), [_TV, _CARD])

    refused = outcomes.count("refused")
    assert 4 <= refused <= 8
    assert outcomes == ["granted", *["refused"] * refused, *["granted"] * (39 - refused)]
    assert with_card.outcome == "granted"
    assert {(one.kind, one.shared) for one in second.reasons} == {("hardware", True), ("card", False)}
    assert second.outcome == "refused"
    marks = [value.split() for key, value in (await dump(store)).items() if ":trial:" in key]
    assert max(len(claims) for claims in marks) == 1


async def test_one_person_asking_often_does_not_make_an_id_shared(store: Store) -> None:
    """Nor does anybody with `shared_after` 0."""
    trials, never = _trials(store, shared_after=3), _trials(store, shared_after=0)
    await trials.claim(_TRIAL, _ADA, [_TV])

    assert {(await trials.claim(_TRIAL, _BOB, [_TV])).outcome for _ in range(9)} == {"refused"}
    for n in range(10):
        await never.claim("other", Account(f"p{n}"), [_TV])
    assert (await never.check("other", Account("p11"), [_TV])).outcome == "refused"


async def test_everything_has_an_end(store: Store) -> None:
    """Every key but the list of names lives for as long as the settings say."""
    trials = _trials(store, shared_after=2, days=10)
    await trials.claim(_TRIAL, _ADA, [_CARD, _TV])
    await trials.claim(_TRIAL, _BOB, [_TV])
    await trials.override(_TRIAL, _CLEO, by="me", reason="why")

    for key in await dump(store):
        life_ms = await store.redis.pttl(key)
        if key == keys.TRIALS:
            assert life_ms == -1
        elif "permit" in key or "trial-keys" in key:
            assert 29 * _DAY_MS < life_ms <= 30 * _DAY_MS
        else:
            assert 9 * _DAY_MS < life_ms <= 10 * _DAY_MS


async def test_what_has_run_out_refuses_nobody(store: Store) -> None:
    """When a claim's time is over, its identifiers are free."""
    trials = _trials(store)
    granted = await trials.claim(_TRIAL, _ADA, [_CARD])
    prefix = keys.prefix(keys.partition_of_trial(_TRIAL))
    row = f"{prefix}trial-claim:{granted.claim}"
    await store.redis.pexpire(row, 1)

    async def is_over() -> bool:
        return not await store.redis.exists(row)

    await wait_until_async(is_over, "the claim's time to be over")
    assert (await trials.claim(_TRIAL, _BOB, [_CARD])).outcome == "granted"


async def test_names_of_trials_are_few(store: Store) -> None:
    """A website that makes a name for each customer is told, before an erasure takes for ever."""
    trials = _trials(store)
    await store.redis.sadd(keys.TRIALS, *(f"t{n}" for n in range(999)))

    await trials.claim(_TRIAL, _ADA, [])
    for act in (trials.claim("one-too-many", _ADA, []), trials.override("one-too-many", _ADA, by="x", reason="y")):
        with pytest.raises(Conflict) as refused:
            await act
        assert refused.value.code == "too_many_trials"
    assert (await trials.claim("t7", _ADA, [])).outcome == "granted"


async def test_everything_of_a_trial_lies_in_one_partition_and_no_identifier_in_clear(store: Store) -> None:
    """By the server's own reckoning, so that one script may decide."""
    trials = _trials(store, shared_after=2)
    names: list[Any] = [_CARD, _MAIL, _TV]
    await trials.claim(_TRIAL, Account("account-of-ada"), names)
    await trials.override(_TRIAL, Account("account-of-bob"), by="me", reason="why")

    found = await dump(store)
    slots = {await store.redis.execute_command("CLUSTER", "KEYSLOT", key) for key in found if key != keys.TRIALS}
    assert len(slots) == 1
    assert not any(word in str(found) for word in ("account-of", *(one.value for one in names)))
