"""The tiny parent of a supervisor; its restarts are tested with everything else in test_serving."""

import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.store

_RESPAWN = (sys.executable, "-m", "latchstring_gateway.supervise.respawn", "--listen")


@pytest.mark.parametrize("code", [0, 2, 78])
def test_supervisor_that_meant_to_end_is_not_started_again(code: int) -> None:
    """A clean end and a refusal to start are final, and the exit code is passed on."""
    ended = subprocess.run(
        [*_RESPAWN, "127.0.0.1:0", "--", sys.executable, "-c", f"print('ran'); raise SystemExit({code})"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    assert ended.returncode == code
    assert ended.stdout == "ran\n"


def test_stop_is_passed_on_to_the_supervisor() -> None:
    """SIGTERM to the parent stops the supervisor in its own order, and its exit code counts."""
    script = "import signal, sys; signal.signal(15, lambda *_: sys.exit(0)); print('up', flush=True); signal.pause()"
    with subprocess.Popen(
        [*_RESPAWN, "127.0.0.1:0", "--", sys.executable, "-c", script], stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"

        parent.send_signal(signal.SIGTERM)

        assert parent.wait(10) == 0


def test_address_that_cannot_be_used_is_told() -> None:
    """Nothing is started, and the message says which setting."""
    ended = subprocess.run([*_RESPAWN, "nowhere", "--", "true"], capture_output=True, text=True, timeout=60)

    assert ended.returncode == 2
    assert "LATCHSTRING_LISTEN" in ended.stderr
