"""The shared listening socket: bound, inherited, or refused with a reason."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from latchstring_gateway.supervise.listening import CannotListen, listening_socket


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A directory whose name leaves room for a socket's."""
    with TemporaryDirectory(prefix="latch-") as directory:
        yield Path(directory)


@pytest.fixture
def unused_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def test_tcp_address_takes_connections_before_anybody_accepts(unused_port: int) -> None:
    """The kernel queues connections from the moment of binding: none is refused while workers start."""
    with listening_socket(f"127.0.0.1:{unused_port}"), socket.create_connection(("127.0.0.1", unused_port), 1):
        pass


def test_unix_socket_is_for_owner_and_group_only(short_dir: Path) -> None:
    """Only the proxy's group comes in, nobody else past it."""
    path = short_dir / "edge.sock"

    with listening_socket(f"unix:{path}"), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_dead_unix_socket_is_replaced_and_a_live_one_is_not(short_dir: Path) -> None:
    """The file that a killed process left is no obstacle; one that somebody listens on is."""
    path = short_dir / "edge.sock"
    listening_socket(f"unix:{path}").close()

    with listening_socket(f"unix:{path}"), pytest.raises(CannotListen, match="is in use"):
        listening_socket(f"unix:{path}")


def test_file_that_is_no_socket_is_not_removed(short_dir: Path) -> None:
    """A wrong path costs nobody a file."""
    path = short_dir / "precious"
    path.write_text("kept")

    with pytest.raises(CannotListen, match="is not a socket"):
        listening_socket(f"unix:{path}")
    assert path.read_text() == "kept"


def test_address_in_use_is_told_with_the_setting(unused_port: int) -> None:
    """The message says what to change."""
    with listening_socket(f"127.0.0.1:{unused_port}"), pytest.raises(CannotListen, match="LATCHSTRING_LISTEN"):
        listening_socket(f"127.0.0.1:{unused_port}")


@pytest.mark.parametrize("listen", ["", "8400", ":8400", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "[::1]"])
def test_address_that_is_not_understood_is_refused(listen: str) -> None:
    """No guess is made about where to listen."""
    with pytest.raises(CannotListen, match=r"expected host:port"):
        listening_socket(listen)


def test_too_long_unix_path_is_refused() -> None:
    """The kernel would cut it off."""
    with pytest.raises(CannotListen, match="longer than"):
        listening_socket("unix:/" + "x" * 107)


def test_inherited_socket_is_used_and_its_variable_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever restarts the supervisor holds the socket; the address is not bound a second time."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        address = held.getsockname()
        monkeypatch.setenv("LATCHSTRING_LISTEN_FD", str(os.dup(held.fileno())))

        with listening_socket("127.0.0.1:1") as inherited:
            assert inherited.getsockname() == address
    assert "LATCHSTRING_LISTEN_FD" not in os.environ


@pytest.mark.parametrize("value", ["9999", "x", ""])
def test_inherited_descriptor_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """A wrong descriptor is told at start, not at the first request."""
    monkeypatch.setenv("LATCHSTRING_LISTEN_FD", value)

    with pytest.raises(CannotListen, match=r"inherited|named as the listening socket"):
        listening_socket("127.0.0.1:1")


def test_inherited_socket_that_does_not_listen_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connected or fresh socket is not taken for a listening one, and stays open for its owner."""
    with socket.socket() as fresh:
        monkeypatch.setenv("LATCHSTRING_LISTEN_FD", str(fresh.fileno()))

        with pytest.raises(CannotListen, match="does not listen"):
            listening_socket("127.0.0.1:1")
        assert fresh.fileno() >= 0


def test_socket_of_a_service_manager_is_used() -> None:
    """Systemd's socket activation: descriptor 3, and LISTEN_PID naming this very process."""
    script = (
        "import os, sys\n"
        "os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_PID'] = str(os.getpid()); os.environ['LISTEN_FDS'] = '1'\n"
        "from latchstring_gateway.supervise.listening import listening_socket\n"
        "print(listening_socket('127.0.0.1:1').getsockname()[1], 'LISTEN_FDS' in os.environ)\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as held:
        said = subprocess.run(
            [sys.executable, "-c", script, str(held.fileno())],
            pass_fds=(held.fileno(),), capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip

        assert said == f"{held.getsockname()[1]} False\n"


def test_socket_meant_for_another_process_is_not_taken(unused_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """LISTEN_FDS that a parent forgot to remove is not ours."""
    monkeypatch.setenv("LISTEN_PID", str(os.getppid()))
    monkeypatch.setenv("LISTEN_FDS", "1")

    with listening_socket(f"127.0.0.1:{unused_port}") as own:
        assert own.getsockname()[1] == unused_port


def test_more_than_one_socket_of_a_service_manager_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is one address; a second would be silently deaf."""
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", "2")

    with pytest.raises(CannotListen, match="one ListenStream"):
        listening_socket("127.0.0.1:1")
