"""A worker tells of its whole node: in readiness and in the metrics."""

from pathlib import Path

from prometheus_client import REGISTRY

from harness.waiting import wait_until_async
from harness.worker_app import running_worker, settings_for
from latchstring_gateway.background import Trouble, Work
from latchstring_gateway.clock import ManualClock, SystemClock
from latchstring_gateway.node_health import SUPERVISOR, ChildRow, HealthFile, health_directory
from latchstring_gateway.node_watch import NodeWatch


def _down(child: str) -> float | None:
    return REGISTRY.get_sample_value("latchstring_child_down", {"child": child})


async def test_what_is_wrong_on_the_node_is_told_with_its_remedy(tmp_path: Path) -> None:
    """Its own tasks without a file, others' by theirs, and children by their supervisor's."""
    clock = ManualClock()
    work = Work(clock)
    watch = NodeWatch(tmp_path, work, clock, process="worker-1")
    rows = [
        ChildRow("shipper", 7, "running", clock.boot_ns()),
        ChildRow("sender", None, "down", clock.boot_ns(), "exit code 1", 9),
    ]
    HealthFile(tmp_path, SUPERVISOR, clock).write(children=rows)
    await watch.follow()
    assert list(watch.told()) == ["children"]

    work.task("places", within_seconds=5, remedy="replace it").failed(OSError())
    HealthFile(tmp_path, "sender", clock).write(fault="KeyError: 'x'", remedy="report it")
    await watch.follow()
    told = watch.told()

    assert told["tasks"] == [
        {"process": "worker-1", "task": "places", "state": "failing", "fault": "OSError", "remedy": "replace it"}
    ]
    assert told["children"] == [
        {"child": "sender", "state": "down", "ended": "exit code 1", "fault": "KeyError: 'x'", "remedy": "report it"}
    ]
    assert (_down("sender"), _down("shipper")) == (1, 0)
    assert REGISTRY.get_sample_value("latchstring_child_deaths", {"child": "sender"}) == 9


async def test_readiness_stays_green_for_tasks_and_children(store_url: str, tmp_path: Path) -> None:
    """One bad geo file or dead sender must not take every node out of the balancer."""
    async with running_worker(settings_for(store_url, tmp_path)) as worker:
        clock, directory = SystemClock(), health_directory(worker.rooms.settings.data_dir)
        row = ChildRow("shipper", 7, "running", clock.boot_ns())
        HealthFile(directory, SUPERVISOR, clock).write(children=[row])

        HealthFile(directory, "shipper", clock).write([Trouble("ship", "failing", "OSError", "make room")])
        text = (directory / "shipper.json").read_text()
        (directory / "shipper.json").write_text(text.replace('"pid":', '"pid":7,"was":'))

        async def warns() -> bool:
            ready = await worker.client.get("/health/ready")
            return ready.status_code == 200 and "tasks" in ready.json()["warnings"]

        await wait_until_async(warns, "readiness to tell of the shipper")
        body = (await worker.client.get("/health/ready")).json()

    assert body["ready"]
    assert body["tasks"][0]["remedy"] == "make room"
