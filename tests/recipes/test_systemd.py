"""The systemd recipe agrees with the code it runs."""

from configparser import ConfigParser
from pathlib import Path

import pytest

from latchstring_gateway.supervise import respawn
from latchstring_gateway.supervise.serving import Plan

_RECIPE = Path(__file__).parents[2] / "deploy" / "systemd"


@pytest.fixture
def service() -> ConfigParser:
    """The service unit, names as written."""
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]  # the documented way to keep case
    unit.read(_RECIPE / "latchstring.service")
    return unit


def test_systemd_gives_up_exactly_where_the_respawner_does(service: ConfigParser) -> None:
    """A refusal to start is final for both; a clean exit is final for the respawner alone, systemd was asked first."""
    codes = {int(code) for code in service["Service"]["RestartPreventExitStatus"].split()}

    assert codes == respawn.FINAL_CODES - {0}


def test_systemd_waits_longer_than_a_stop_in_order_takes(service: ConfigParser) -> None:
    """Workers, then shipper, deliverer and store, each with its own time, before SIGKILL."""
    drain = Plan(data_dir=Path(), listen="", workers=1, embedded_store=True).drain_seconds

    assert int(service["Service"]["TimeoutStopSec"]) > drain + 3 * 10


def test_service_restarts_for_ever_and_keeps_the_order_of_stopping(service: ConfigParser) -> None:
    """The settings that the promise of recovery leans on."""
    assert service["Unit"]["StartLimitIntervalSec"] == "0"
    assert service["Service"]["Restart"] == "always"
    assert service["Service"]["KillMode"] == "mixed"
    assert service["Service"]["OOMPolicy"] == "continue"


def test_one_socket_is_passed(service: ConfigParser) -> None:
    """The supervisor takes exactly one."""
    lines = (_RECIPE / "latchstring.socket").read_text().splitlines()

    assert sum(line.startswith("ListenStream=") for line in lines) == 1
    assert service["Unit"]["Requires"] == "latchstring.socket"
