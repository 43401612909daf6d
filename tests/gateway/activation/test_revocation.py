"""A TV that is to be sold signs itself out (RFC 7009): both tokens are worthless when it hears so."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.tv import CLIENT, SETTINGS, Tv, connect
from harness.valkey import Valkey
from harness.visitor import events
from harness.waiting import wait_until_async
from harness.worker_app import Jar, Worker, running_worker, settings_for

_URL = "/latch/oauth/revoke"


@pytest.mark.parametrize(
    ("which", "hint"),
    [
        ("refresh_token", "refresh_token"),
        ("access_token", "access_token"),
        ("access_token", "refresh_token"),
        ("refresh_token", "a-kind-nobody-knows"),
        ("refresh_token", ""),
    ],
)
async def test_either_token_signs_the_device_out_for_good(
    tv: Tv, worker: Worker, owner: Jar, which: str, hint: str
) -> None:
    """Whatever the hint says: 200, and neither token nor the device code is taken any more, the browser is."""
    await connect(tv, worker, owner)
    answer = await tv.post("revoke", token=tv.tokens[which], token_type_hint=hint)

    assert answer.status_code == 200
    assert (await tv.verify()).status_code == 401
    assert (await tv.refresh()).json()["error"] == "invalid_grant"
    assert (await tv.poll()).json()["error"] == "access_denied"
    assert (await worker.verify(owner)).status_code == 200
    devices = (await worker.api("GET", "/v1/accounts/ada/devices")).json()["devices"]
    assert [device["kind"] for device in devices] == ["computer"]
    (told,) = await events(worker, "device.removed")
    assert '"reason":"deactivated_on_device"' in told["data"]


async def test_what_is_no_token_needs_no_revocation(tv: Tv) -> None:
    """200, as RFC 7009 section 2.2 says; nothing is told of what exists."""
    for token in ("noise", "v1.a.b.c", "\N{TELEVISION}", "x" * 5_000):
        assert (await tv.post("revoke", token=token)).status_code == 200, token


async def test_it_may_be_repeated(tv: Tv, worker: Worker, owner: Jar) -> None:
    """An answer that was lost costs nothing."""
    await connect(tv, worker, owner)
    answers = [await tv.post("revoke", token=tv.tokens["refresh_token"]) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]


async def test_no_client_signs_anothers_devices_out(tv: Tv, worker: Worker, owner: Jar) -> None:
    """`invalid_grant`, and the TV goes on."""
    await connect(tv, worker, owner)
    answer = await tv.post("revoke", client_id="console-app", token=tv.tokens["refresh_token"])

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert (await tv.verify()).status_code == 200


async def test_a_bad_request_is_told(worker: Worker) -> None:
    """In the words of RFC 6749."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    for form, status, error in (
        ("", 400, "invalid_request"),
        (f"client_id={CLIENT}", 400, "invalid_request"),
        (f"client_id={CLIENT}&token=", 400, "invalid_request"),
        (f"client_id={CLIENT}&token=a&token=b", 400, "invalid_request"),
        ("client_id=nobody&token=a", 401, "invalid_client"),
        (f"client_id={CLIENT}&client_secret=s&token=a", 401, "invalid_client"),
    ):
        answer = await worker.client.post(_URL, content=form, headers=headers)

        assert (answer.status_code, answer.json()["error"]) == (status, error), form


@pytest.mark.store
async def test_a_store_that_is_away_says_come_back(own_valkey: Callable[[], Valkey], tmp_path: Path) -> None:
    """503 and never 200: a TV that is sold must be able to rely on it."""
    valkey = own_valkey()
    async with running_worker(settings_for(valkey.url, tmp_path, **SETTINGS)) as worker:
        tv = await connect(Tv(worker), worker, await worker.signed_in())
        valkey.kill9()
        await wait_until_async(lambda: worker.rooms.feed.store_away, "the worker to miss its store")
        away = await tv.post("revoke", token=tv.tokens["refresh_token"])

        assert (away.status_code, away.json()["error"]) == (503, "temporarily_unavailable")
        valkey.restart()
        feed = worker.rooms.feed
        await wait_until_async(lambda: feed.holds() and not feed.store_away, "the worker to follow its store again")
        assert (await tv.post("revoke", token=tv.tokens["refresh_token"])).status_code == 200
        assert (await tv.verify()).status_code == 401
