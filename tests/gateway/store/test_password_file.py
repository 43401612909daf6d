"""The store's password is read again when a connection is made: changing it needs no restart."""

from collections.abc import Callable
from pathlib import Path

import pytest
from redis.exceptions import AuthenticationError

from harness.valkey import Valkey
from harness.waiting import wait_until_async
from harness.worker_app import running_worker, settings_for
from latchstring_gateway.store.password_file import PasswordFile


async def test_the_last_good_password_is_kept_while_the_file_is_none(tmp_path: Path) -> None:
    """While it is being written, or was removed by mistake; one that was never there is said."""
    path = tmp_path / "password"
    shows = PasswordFile(path, "app")
    with pytest.raises(AuthenticationError, match="first line"):
        await shows.get_credentials_async()

    path.write_text("first\n")
    assert await shows.get_credentials_async() == ("app", "first")
    path.write_text("")
    assert await shows.get_credentials_async() == ("app", "first")
    path.unlink()
    assert shows.get_credentials() == ("app", "first")
    path.write_text("second\n")
    assert shows.get_credentials() == ("app", "second")


@pytest.mark.store
async def test_a_password_that_changes_while_workers_run_is_taken_up(
    own_valkey: Callable[[], Valkey], tmp_path: Path
) -> None:
    """A second password added, the file rewritten, the first removed: 503 until a restart."""
    server, path = own_valkey(), tmp_path / "password"
    path.write_text("first\n")
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "default", ">first")
        async with running_worker(settings_for(server.url, tmp_path, store_password_file=path)) as worker:
            assert (await worker.sign_in()).status_code == 201
            client.execute_command("ACL", "SETUSER", "default", ">second")
            path.write_text("second\n")
            client.execute_command("ACL", "SETUSER", "default", "<first")
            for kind in ("normal", "pubsub"):
                client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")

            async def signs_in() -> bool:
                return (await worker.sign_in()).status_code == 201 and worker.rooms.feed.holds()

            await wait_until_async(signs_in, "sign-ins with the new password")
        client.execute_command("ACL", "SETUSER", "default", "nopass")
