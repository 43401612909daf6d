"""References: the same name is the same id, and an id tells nothing."""

import pytest
import redis.asyncio

from latchstring_gateway.ids import is_id, new_id
from latchstring_gateway.moving.references import References, references
from latchstring_gateway.store.client import Store

_A, _B = References(b"a" * 32), References(b"b" * 32)


def test_a_name_has_one_id_for_each_kind_account_and_deployment() -> None:
    """Stable, and different wherever anything differs."""
    ids = [
        _A.id_of("session", "ada", "17"),
        _A.id_of("device", "ada", "17"),
        _A.id_of("session", "bob", "17"),
        _A.id_of("session", "ada", "18"),
        _B.id_of("session", "ada", "17"),
    ]

    assert len(set(ids)) == 5
    assert all(map(is_id, ids))
    assert _A.id_of("session", "ada", "17") == ids[0]
    assert _A.fingerprint != _B.fingerprint


def test_an_id_of_ours_stays_what_it_is() -> None:
    """So that an export can be read back."""
    own = new_id()

    assert _A.id_of("session", "ada", f"latchstring:{own}") == own


@pytest.mark.parametrize("rest", ["", "short", "A" * 23, "A" * 21 + "B", "A" * 21 + "/"])
def test_what_only_looks_like_an_id_of_ours_is_refused(rest: str) -> None:
    """Wrong length, alphabet or spelling."""
    with pytest.raises(ValueError, match="id"):
        _A.id_of("device", "ada", f"latchstring:{rest}")


async def test_all_processes_of_a_deployment_share_one_secret(
    store_url: str, store_client: redis.asyncio.Redis
) -> None:
    """Made once, by whoever comes first."""
    store = Store(store_url)
    first, second = await references(store), await references(store)
    await store.close()

    assert first.fingerprint == second.fingerprint
