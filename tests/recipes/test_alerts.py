"""The pager tells the truth: a healthy node fires no shipped alert, and each fault exactly the ones declared for it.

Debian's Prometheus evaluates deploy/dashboards/alerts.yml with all its durations divided by one factor.
"""

import contextlib
import itertools
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from harness.evidence import pick
from harness.metrics_pages import Grows, pages
from harness.prometheus import prometheus, rules
from harness.service import Service, started_service
from harness.waiting import wait_until

pytestmark = [pytest.mark.store, pytest.mark.timeout(pick(short=300, long=1_200))]

#: Ten minutes are twenty seconds.
_FACTOR = 30
_ALL = {rule["alert"] for group in rules(1)["groups"] for rule in group["rules"]}


@dataclass(frozen=True)
class Fault:
    """What a node's metrics say of a fault, and whom it wakes."""

    says: dict[str, float | Grows]
    alerts: set[str]


def _buckets(metric: str, label: str, *, slow_a_second: float) -> dict[str, float | Grows]:
    """A histogram whose observations all lie above a second."""
    named = f"{label}," if label else ""
    return {
        f'{metric}_bucket{{{named}le="1.0"}}': 0.0,
        f'{metric}_bucket{{{named}le="2.0"}}': Grows(slow_a_second),
        f'{metric}_bucket{{{named}le="+Inf"}}': Grows(slow_a_second),
    }


#: By the name of the fault: an instance of its own for Prometheus.
FAULTS: dict[str, Fault] = {
    "the fence of a worker does not hold": Fault({"latchstring_fence_holds": 0}, {"LatchstringStoreAway"}),
    "checks are answered 503": Fault(
        {
            'latchstring_verify_total{outcome="store_away"}': Grows(5),
            'latchstring_verify_total{outcome="accepted"}': Grows(95),
        },
        {"LatchstringVisitorsTurnedAway"},
    ),
    "renewals are slow": Fault(
        _buckets("latchstring_store_seconds", 'script="renew"', slow_a_second=5), {"LatchstringStoreSlow"}
    ),
    "revocations come late": Fault(
        _buckets("latchstring_revocation_lag_seconds", "", slow_a_second=5), {"LatchstringRevocationLag"}
    ),
    "a receipt is partial": Fault(
        {'latchstring_revocations_total{status="partial"}': Grows(0.2)}, {"LatchstringPartialReceipts"}
    ),
    "workers stall": Fault({'latchstring_fences_total{event="lapsed"}': Grows(2)}, {"LatchstringFencesLapse"}),
    "copied credentials": Fault(
        {'latchstring_credentials_total{outcome="reuse"}': Grows(2)}, {"LatchstringCopiedCredentials"}
    ),
    "sessions are missing": Fault(
        {'latchstring_credentials_total{outcome="unknown"}': Grows(2)}, {"LatchstringSessionsMissing"}
    ),
    "a broken key file": Fault({"latchstring_key_file_usable": 0}, {"LatchstringKeyFile"}),
    "another deployment's keys": Fault({"latchstring_keys_in_step": 0}, {"LatchstringKeyFile"}),
    "old places": Fault(
        {'latchstring_place_data_age_seconds{data="countries"}': 91 * 86_400.0}, {"LatchstringPlaceDataOld"}
    ),
    "a journal that takes no hits": Fault({"latchstring_journal_healthy": 0}, {"LatchstringJournalBroken"}),
    "hits are refused": Fault({'latchstring_hits_total{outcome="sync_late"}': Grows(1)}, {"LatchstringHitsRefused"}),
    "visitors that flood": Fault({'latchstring_hits_total{outcome="too_many"}': Grows(100)}, set()),
    "a disk nearly full": Fault(
        {"latchstring_disk_free_bytes": 2e8, "latchstring_disk_reserve_bytes": 1.34e8}, {"LatchstringDiskLow"}
    ),
    "a stuck shipper": Fault({"latchstring_backlog_seconds": 3_600}, {"LatchstringBacklog"}),
    "a segment that cannot be shipped": Fault({"latchstring_segments_held_up": 1}, {"LatchstringSegmentsHeldUp"}),
    "a decoder that fails": Fault(
        {
            'latchstring_decoder_failures_total{stage="decode"}': Grows(1),
            "latchstring_events_shipped_total": Grows(500),
        },
        {"LatchstringDecoderFails"},
    ),
    "one event in a million that no decoder takes": Fault(
        {
            'latchstring_decoder_failures_total{stage="decode"}': Grows(0.1),
            "latchstring_events_shipped_total": Grows(100_000),
        },
        set(),
    ),
    "a broken tracker": Fault(
        {
            'latchstring_ledger_events{outcome="bad",source="batch"}': Grows(300),
            'latchstring_ledger_events{outcome="received",source="batch"}': Grows(1_000),
        },
        {"LatchstringDeadLetters"},
    ),
    "a few bad hits on a quiet node": Fault(
        {
            'latchstring_ledger_events{outcome="bad",source="batch"}': Grows(1),
            'latchstring_ledger_events{outcome="received",source="batch"}': Grows(1),
        },
        set(),
    ),
    "a sink that is away": Fault({"latchstring_sink_waiting_seconds": 7_200}, {"LatchstringSinkBehind"}),
    "a commit that cannot be sent": Fault({"latchstring_sink_held_up_records": 1}, {"LatchstringSinkHeldUp"}),
    "a receiver that takes nothing": Fault(
        {'latchstring_hook_failing_seconds{hook="h"}': 3_600}, {"LatchstringHookFails"}
    ),
    "a hook that lags": Fault({'latchstring_hook_backlog_seconds{hook="h"}': 7_200}, {"LatchstringHookBehind"}),
    "a hook whose events are given up": Fault(
        {'latchstring_hook_dead_events{hook="h"}': Grows(1)}, {"LatchstringHookGaveUp"}
    ),
    "a child that hangs": Fault({'latchstring_child_down{child="shipper"}': 1}, {"LatchstringChildDown"}),
    "a child that dies again and again": Fault(
        {'latchstring_child_deaths{child="worker-1"}': Grows(0.5)}, {"LatchstringChildrenDie"}
    ),
    "a bug": Fault({'latchstring_unexpected_errors_total{where="app"}': Grows(1)}, {"LatchstringBug"}),
    "a ledger that does not add up": Fault({"latchstring_ledger_difference_events": 3}, {"LatchstringLedger"}),
    "a damaged journal": Fault({"latchstring_ledger_damaged_bytes": Grows(10)}, {"LatchstringJournalDamaged"}),
    "an index that lacks commits": Fault({"latchstring_index_missing_commits": 2}, {"LatchstringIndexBehind"}),
    "an erasure that waits": Fault({"latchstring_erasure_waiting_seconds": 100_000}, {"LatchstringErasureWaits"}),
    "an erasure that cannot read a file": Fault({"latchstring_erasure_unread_files": 1}, {"LatchstringErasureUnread"}),
    "a revocation that nobody can read": Fault(
        {"latchstring_unreadable_revocations_total": Grows(1)}, {"LatchstringRevocationUnreadable"}
    ),
    "a row that nobody can read": Fault({"latchstring_registry_rows_unreadable": 1}, {"LatchstringRegistryRow"}),
    "a task that fails": Fault({'latchstring_task_overdue{task="places"}': 1}, {"LatchstringTaskOverdue"}),
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The real thing; a fence long enough that a busy machine is no fault of it."""
    folder = tmp_path_factory.mktemp("alerts")
    with started_service(folder / "data", fence_seconds="5", last_known_good_seconds="6") as made:
        made.wait_ready(90)
        yield made


def test_every_alert_has_a_fault_that_rings_it() -> None:
    """And none is declared that is not shipped; LatchstringDown needs no page."""
    declared = set[str]().union(*(fault.alerts for fault in FAULTS.values()))

    assert declared == _ALL - {"LatchstringDown"}


@contextlib.contextmanager
def _visited(service: Service) -> Iterator[None]:
    """Visitors come and go: sign-ins, checks, hits and removals, until the end of the block."""
    credential = {"authorization": f"Bearer {service.command('service-keys', 'add', 'visitors')}"}
    over = threading.Event()
    problems: list[str] = []

    def visit() -> None:
        with httpx.Client(base_url=service.url, timeout=20) as client:
            for number in itertools.count():
                if over.wait(0.2):
                    return
                body = {"account": f"a{number}", "remember": True, "authenticated_at_ms": time.time_ns() // 1_000_000}
                began = client.post("/v1/sessions", json=body, headers=credential).json()
                cookie = "; ".join(line.partition(";")[0] for line in began["set_cookie"])
                path = f"/v1/accounts/a{number}/devices/{began['device']['id']}"
                answers = [
                    client.get("/verify", headers={"cookie": cookie}),
                    client.get("/b.gif?p=/watch", headers={"x-latch-hit": f"visit-{number}"}),
                    client.delete(path, headers=credential),
                ]
                problems.extend(answer.text for answer in answers if answer.status_code != 200)

    visiting = threading.Thread(target=visit)
    visiting.start()
    try:
        yield
    finally:
        over.set()
        visiting.join()
    assert problems == []


def test_each_fault_rings_its_alerts_and_no_other(service: Service, tmp_path: Path) -> None:
    """fence_holds, journal_healthy, key_file_usable and keys_in_step were 0 on a healthy node: three pages for nothing.

    All at once, each fault on a node of its own whose metrics are the real one's but for the fault. The real node, with
    visitors, and a node that is not there stand beside them.
    """
    healthy = httpx.get(f"{service.url}/metrics", timeout=20).text
    wanted = {(alert, name) for name, fault in FAULTS.items() for alert in fault.alerts}
    wanted.add(("LatchstringDown", "gone"))
    # Sums over all nodes name none.
    nameless = {"LatchstringCopiedCredentials", "LatchstringSessionsMissing"}
    wanted = {(alert, "" if alert in nameless else name) for alert, name in wanted}
    with pages(healthy, {name: fault.says for name, fault in FAULTS.items()}) as addresses:
        targets = {**addresses, "the real node": service.address, "gone": "127.0.0.1:1"}
        with prometheus(tmp_path / "prometheus", targets, factor=_FACTOR) as server, _visited(service):
            server.wait_firing(wanted, timeout_seconds=120)
            seen = server.seen_within(8)

    assert seen - wanted == set()
    assert wanted <= seen


def _freeze(service: Service, child: str) -> Callable[[], None]:
    pid = service.pid_of(child)
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    return lambda: os.kill(pid, signal.SIGCONT)


def _freeze_store(service: Service) -> Callable[[], None]:
    return _freeze(service, "store")


def _break_key_file(service: Service) -> Callable[[], None]:
    path = service.data_dir / "keys.json"
    good = path.read_bytes()
    path.write_bytes(b"{")

    def mend() -> None:
        path.write_bytes(good)

    return mend


def _remove_a_device_while_a_worker_hangs(service: Service) -> Callable[[], None]:
    """Its receipt is partial: the other one may bridge an outage. Then the worker is replaced."""
    credential = {"authorization": f"Bearer {service.command('service-keys', 'add', 'alerts')}"}
    with httpx.Client(base_url=service.url, headers=credential, timeout=30) as backend:
        body = {"account": "ada", "remember": True, "authenticated_at_ms": time.time_ns() // 1_000_000}
        device = backend.post("/v1/sessions", json=body).raise_for_status().json()["device"]["id"]
    _freeze(service, "worker-1")
    with httpx.Client(base_url=service.url, headers=credential, timeout=30) as backend:
        assert backend.delete(f"/v1/accounts/ada/devices/{device}").status_code == 202
    return lambda: service.kill9("worker-1")


def _freeze_shipper(service: Service) -> Callable[[], None]:
    mend = _freeze(service, "shipper")
    assert httpx.get(f"{service.url}/b.gif?p=/waits", timeout=20).status_code == 200
    return mend


def _hook_to_nobody(service: Service) -> Callable[[], None]:
    """A receiver that is not there, and something to tell it."""
    hook = json.loads(service.command("hooks", "add", "http://127.0.0.1:9/"))["id"]
    credential = {"authorization": f"Bearer {service.command('service-keys', 'add', 'alerts')}"}
    body = {"account": "eve", "remember": True, "authenticated_at_ms": time.time_ns() // 1_000_000}
    httpx.post(f"{service.url}/v1/sessions", json=body, headers=credential, timeout=20).raise_for_status()

    def mend() -> None:
        service.command("hooks", "remove", hook)

    return mend


_Break = Callable[[Service], Callable[[], None]]
_SOON: dict[str, tuple[_Break, set[str]]] = {
    "a broken key file": (_break_key_file, {"LatchstringKeyFile"}),
    "a store that hangs": (_freeze_store, {"LatchstringStoreAway"}),
}
_LATER: dict[str, tuple[_Break, set[str]]] = {
    "a worker that hangs": (
        _remove_a_device_while_a_worker_hangs,
        {"LatchstringPartialReceipts", "LatchstringChildDown"},
    ),
    "a shipper that hangs": (_freeze_shipper, {"LatchstringBacklog", "LatchstringChildDown"}),
    "a receiver that is gone": (_hook_to_nobody, {"LatchstringHookFails"}),
}
_REAL = pick(short=_SOON, long=_SOON | _LATER)


@pytest.mark.parametrize("fault", _REAL)
def test_a_real_fault_reaches_the_pager_and_ends(service: Service, tmp_path: Path, fault: str) -> None:
    """From the fault itself to the alert, and to silence again once it is mended."""
    break_it, alerts = _REAL[fault]
    with prometheus(tmp_path / "prometheus", {"node": service.address}, factor=_FACTOR) as server:
        time.sleep(2)
        assert server.seen_within(2) == set()
        mend = break_it(service)
        try:
            server.wait_firing({(alert, "node") for alert in alerts}, timeout_seconds=120)
            assert {alert for alert, _ in server.firing()} == alerts
        finally:
            mend()
        wait_until(lambda: server.firing() == set(), "silence", 120)


def test_a_full_disk_reaches_the_pager(tmp_path: Path) -> None:
    """Less is free than is to be kept free: hits are refused, and whoever is woken learns of each."""
    reserve = str(2**60)
    with started_service(tmp_path / "data", fence_seconds="5", disk_reserve_bytes=reserve) as full:
        wait_until(lambda: _answers(full), "the service to answer", 90)
        with prometheus(tmp_path / "prometheus", {"node": full.address}, factor=_FACTOR) as server:
            wanted = {"LatchstringJournalBroken", "LatchstringDiskLow", "LatchstringHitsRefused"}

            def ring() -> bool:
                assert httpx.get(f"{full.url}/b.gif?p=/", timeout=20).status_code == 503
                return {alert for alert, _ in server.firing()} >= wanted

            wait_until(ring, "the alerts of a full disk", 60)
            assert {alert for alert, _ in server.firing()} == wanted


def _answers(service: Service) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{service.url}/health/live", timeout=2).status_code == 200
    return False
