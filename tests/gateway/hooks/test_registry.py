"""The hooks of a deployment: added, paused, resumed, removed."""

import pytest

from harness.receivers import Stand
from latchstring_gateway.errors import Conflict, NotFound
from latchstring_gateway.hooks import registry
from latchstring_gateway.hooks.registry import Hooks


async def test_there_is_a_bound_of_hooks(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs the deliverer and the store."""
    monkeypatch.setattr(registry, "MAX_HOOKS", 2)
    hooks = Hooks(stand.store, stand.clock)
    await hooks.add("https://9.9.9.1/")
    with pytest.raises(Conflict) as refused:
        await hooks.add("https://9.9.9.2/")

    assert refused.value.code == "too_many_hooks"


async def test_a_hook_that_is_removed_while_it_is_served_leaves_nothing_behind(stand: Stand) -> None:
    """Held events, dead ones, replays, state and pause go with it, also what is written while it goes."""
    hooks = Hooks(stand.store, stand.clock)
    stand.receiver.answers["evt_0"] = [500]
    await stand.note("ada", "evt_0")
    await stand.deliver(every=6)
    await hooks.pause(stand.hook.id, "by hand")
    await hooks.remove(stand.hook.id)
    await stand.deliver()

    left = [key for key in await stand.store.redis.keys("*") if "outbox" not in key or "cursors" in key]
    assert left == []
    with pytest.raises(NotFound):
        await hooks.resume(stand.hook.id)
