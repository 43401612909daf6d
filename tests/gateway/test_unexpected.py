"""A bug that a request meets is counted and told under an id, and its traceback is not repeated."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from harness.worker_app import Worker, running_worker, settings_for
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.metrics import UNEXPECTED_ERRORS
from latchstring_gateway.unexpected import reporter


def _raised(number: int) -> Exception:
    try:
        return ValueError(1 // 0)
    except ZeroDivisionError as error:
        error.add_note(str(number))
        return error


def test_each_has_its_line_and_one_a_minute_its_traceback() -> None:
    """A client that found a bug cannot fill the log with tracebacks."""
    clock = ManualClock()
    report = reporter(clock, "app")
    before = UNEXPECTED_ERRORS.labels("app")._value.get()

    with capture_logs() as lines:
        for number in range(100):
            report(f"id-{number}", _raised(number))
        report("other", KeyError("x"))
        clock.advance(60)
        report("later", _raised(0))

    assert [line["id"] for line in lines if line["exc_info"]] == ["id-0", "other", "later"]
    assert len(lines) == 102
    assert UNEXPECTED_ERRORS.labels("app")._value.get() - before == 102


@pytest.mark.store
async def test_no_bug_is_answered_500(store_url: str, tmp_path: Path) -> None:
    """503 with the id that the log has, and with a time to come back."""
    async with running_worker(settings_for(store_url, tmp_path)) as worker:
        _break(worker)
        with capture_logs() as lines:
            answer = await worker.sign_in()

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    (line,) = [line for line in lines if line["event"] == "unexpected_error"]
    assert line["id"] in answer.json()["detail"]


def _break(worker: Worker) -> None:
    # A row that nobody but a bug of ours would make.
    worker.rooms.starter._policy = None  # type: ignore[assignment]
