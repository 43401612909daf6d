"""A Cluster refuses a script whose keys lie in two slots, so no call of ours ever names two."""

import binascii
from pathlib import Path
from typing import Any

from harness.worker_app import Jar, running_worker, settings_for
from latchstring_gateway.store.client import Store


def _slot(key: str) -> int:
    tag = key.partition("{")[2].partition("}")[0]
    return binascii.crc_hqx((tag or key).encode(), 0) % 16_384


class RecordingStore(Store):
    """Notes in `calls` the keys of every script, and the prefix from which it derives more."""

    def __init__(self, url: str, calls: list[list[str]]) -> None:
        super().__init__(url)
        self._calls = calls

    async def send(self, *words: Any, replicas: int = 0, **options: Any) -> Any:
        """See `Store.send`."""
        if words[0] in ("EVAL", "EVALSHA"):
            keys = [str(key) for key in words[3 : 3 + int(words[2])]]
            prefixes = [str(word) for word in words[3 + len(keys) :] if str(word).startswith("{")]
            self._calls.append(keys + [word for word in prefixes if word.endswith("}:")])
        return await super().send(*words, replicas=replicas, **options)


async def test_every_script_of_the_whole_story_stays_in_one_slot(store_url: str, tmp_path: Path) -> None:
    """Sign in twice, renew, rename, remove, sign out everywhere: each call in the slot of one tag."""
    calls: list[list[str]] = []
    settings = settings_for(store_url, tmp_path, sessions_per_account=1)
    async with running_worker(settings, make_store=lambda url, **_: RecordingStore(url, calls)) as worker:
        jar = Jar()
        for _ in range(2):
            device = (await worker.sign_in(jar=jar)).json()["device"]["id"]
        await worker.navigate(worker.run_out(jar))
        session = (await worker.verify(jar)).headers["x-latch-session"]
        await worker.api("PATCH", f"/v1/accounts/ada/devices/{device}", {"name": "TV"})
        await worker.api("DELETE", f"/v1/accounts/ada/sessions/{session}")
        await worker.api("DELETE", f"/v1/accounts/ada/devices/{device}")
        await worker.api("POST", "/v1/accounts/ada/revoke")
        await worker.api("POST", "/v1/revoke-everybody")
        await worker.sign_in("bob")

    assert len(calls) > 250
    assert [call for call in calls if len({_slot(key) for key in call}) != 1] == []
