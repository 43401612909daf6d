"""A script and its caller agree, or the program does not start."""

from pathlib import Path

import pytest

from latchstring_gateway.errors import StoreAway
from latchstring_gateway.metrics import STORE_FAULTS, STORE_SECONDS
from latchstring_gateway.store.client import Store
from latchstring_gateway.store.scripts import ScriptContractError, load

_GOOD = "-- KEYS thing\n-- ARGV amount\n-- RETURNS the sum\nreturn redis.call('INCRBY', thing_key, amount)\n"


def _written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "add.lua"
    path.write_text(text)
    return path


async def test_keys_and_arguments_arrive_under_their_names(
    tmp_path: Path, store_url: str, store_client: object
) -> None:
    """The names of the header are locals of the script; a script the server does not know yet is sent to it."""
    store = Store(store_url)
    add = load(_written(tmp_path, _GOOD), keys=("thing",), args=("amount",))

    first = await add(store, {"thing": "{t}:n"}, {"amount": 2})
    second = await add(store, {"thing": "{t}:n"}, {"amount": 3})

    assert (first, second) == (2, 5)
    await store.close()


@pytest.mark.parametrize(
    ("keys", "args"), [(("other",), ("amount",)), (("thing",), ()), (("thing",), ("amount", "more")), ((), ("amount",))]
)
def test_a_caller_that_names_other_things_is_refused_at_load(
    tmp_path: Path, keys: tuple[str, ...], args: tuple[str, ...]
) -> None:
    """Wrong name, order or number."""
    with pytest.raises(ScriptContractError, match=r"add\.lua"):
        load(_written(tmp_path, _GOOD), keys=keys, args=args)


@pytest.mark.parametrize("missing", ["KEYS", "ARGV", "RETURNS"])
def test_a_script_without_a_contract_is_refused_at_load(tmp_path: Path, missing: str) -> None:
    """Every line of the header must be there."""
    with pytest.raises(ScriptContractError, match=missing):
        load(_written(tmp_path, _GOOD.replace(f"-- {missing}", "-- ")), keys=("thing",), args=("amount",))


def test_an_included_fragment_keeps_line_numbers_true(tmp_path: Path) -> None:
    """What is included goes before the first line, so an error names the line of the file."""
    (tmp_path / "part.lua").write_text("-- Included by add.\nlocal function one()\n  return 1\nend\n")

    script = load(_written(tmp_path, "-- INCLUDE part.lua\n" + _GOOD), keys=("thing",), args=("amount",))

    assert script.text.splitlines()[1] == "-- INCLUDE part.lua"
    assert "local function one()" in script.text.splitlines()[0]


async def test_a_store_that_is_not_there_is_away_and_nothing_else() -> None:
    """Every fault is the one error that never signs anybody out."""
    store = Store("unix:///nonexistent/valkey.sock")

    with pytest.raises(StoreAway) as away:
        await store.guard(store.redis.ping())

    assert away.value.status == 503
    assert away.value.retry_after_seconds == 2
    await store.close()


async def test_a_trip_is_timed_and_a_fault_is_named(tmp_path: Path, store_url: str, store_client: object) -> None:
    """The histogram holds answered trips only: a refused connection would look like a fast store."""
    add = load(_written(tmp_path, _GOOD), keys=("thing",), args=("amount",))
    store, nowhere = Store(store_url), Store("unix:///nonexistent/valkey.sock")
    trips = STORE_SECONDS.labels("add")
    fault = STORE_FAULTS.labels("ConnectionError")
    before = (sum(bucket.get() for bucket in trips._buckets), fault._value.get())

    await add(store, {"thing": "{t}:n"}, {"amount": 2})
    with pytest.raises(StoreAway):
        await add(nowhere, {"thing": "{t}:n"}, {"amount": 2})
    after = (sum(bucket.get() for bucket in trips._buckets), fault._value.get())
    await store.close()
    await nowhere.close()

    assert (after[0] - before[0], after[1] - before[1]) == (1, 1)
    assert 0 < trips._sum.get() < 2
