"""Logs are one JSON object a line and hold no secret."""

import json
import subprocess
import sys

_LOG = """
from latchstring_gateway import logs
logs.configure(level="{level}")
log = logs.get("tests")
log.debug("quiet")
log.warning("loud", cookie="c-secret", token="t-secret", set_cookie="s-secret", password="p-secret",
            authorization="a-secret", secret="x-secret", key="k-secret", count=3)
try:
    1 / 0
except ZeroDivisionError:
    log.error("broken", exc_info=True)
"""


def _logged(level: str) -> str:
    # In a process of its own: logging is set up once.
    done = subprocess.run([sys.executable, "-c", _LOG.format(level=level)], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr


def test_a_line_is_json_with_room_level_and_time_and_secrets_are_taken_out() -> None:
    """Whatever a caller passes under a telling name is replaced."""
    lines = [json.loads(line) for line in _logged("info").splitlines()]

    assert [line["event"] for line in lines] == ["loud", "broken"]
    assert (lines[0]["room"], lines[0]["level"], lines[0]["count"]) == ("tests", "warning", 3)
    assert lines[0]["timestamp"].endswith("Z")
    assert "-secret" not in json.dumps(lines)
    assert "ZeroDivisionError" in lines[1]["exception"]


def test_the_level_decides_what_is_written() -> None:
    """Debug lines are there when asked for."""
    assert '"quiet"' in _logged("debug")
    assert "loud" not in _logged("error")


_LIBRARY = """
import logging
from latchstring_gateway import logs
logs.configure()
logging.getLogger("uvicorn.error").info("quiet")
logging.getLogger("uvicorn.error").warning("%s is odd", "this")
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
"""


def test_what_libraries_say_is_one_line_each() -> None:
    """A traceback of uvicorn or asyncio was 34 plain lines that no collector of logs could read."""
    done = subprocess.run([sys.executable, "-c", _LIBRARY], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]

    assert [(line["event"], line["room"], line["level"], line["message"]) for line in lines] == [
        ("library", "uvicorn.error", "warning", "this is odd"),
        ("library", "uvicorn.error", "error", "Exception in ASGI application"),
    ]
    assert "ZeroDivisionError" in lines[1]["exception"]
