"""Telling the service manager how we are; who listens is tested in test_listening."""

import socket
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from latchstring_gateway.supervise.service_manager import tell


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A service manager's ear, in the file system or in the abstract namespace."""
    with TemporaryDirectory(prefix="latch-") as directory, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        path = str(Path(directory) / "notify")
        ear.bind(path if request.param == "path" else "\0" + path)
        ear.settimeout(1.0)
        monkeypatch.setenv("NOTIFY_SOCKET", path if request.param == "path" else "@" + path)
        yield ear


def test_state_reaches_the_service_manager(manager: socket.socket) -> None:
    """READY=1 arrives as one datagram."""
    tell("READY=1")

    assert manager.recv(64) == b"READY=1"


@pytest.mark.parametrize("address", ["", "relative", "/no/such/socket"])
def test_service_manager_that_is_not_there_is_no_trouble(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one, nothing is said and nothing fails."""
    monkeypatch.setenv("NOTIFY_SOCKET", address)

    tell("READY=1")
