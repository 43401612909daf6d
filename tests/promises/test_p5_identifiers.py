"""P5: no free trial is granted twice in a race, and what people and devices go by is found nowhere in clear."""

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cluster_of_workers import Cluster, cluster_of_workers
from harness.evidence import Evidence, pick
from harness.planted import files_of, forms_of, found_in
from harness.trial_claimers import ACCOUNTS, TRIAL, identifiers_of, read, trials, violations
from harness.valkey import Valkey
from harness.waiting import wait_until
from harness.worker_app import dump
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.ids import Account
from latchstring_gateway.store.client import Store
from latchstring_gateway.supervise.launch import launched
from latchstring_gateway.tokens.keyring import KeyRing, create_key_file
from latchstring_gateway.tokens.rotation import rotate

pytestmark = [pytest.mark.store, pytest.mark.timeout(pick(short=180, long=600))]

_PROCESSES = 4


class _Claimers:
    """Processes that claim; each that ends, or is killed, is followed by another until enough was heard."""

    def __init__(self, valkey: Valkey, keys: Path, output: Path) -> None:
        self._command = [sys.executable, "-m", "harness.trial_claimers", valkey.url, str(keys)]
        self._output = output
        self._seed = 0
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, count: int) -> None:
        """So many more, which begin at once when all are ready."""
        begun = []
        for _ in range(count):
            self._seed += 1
            command = launched([*self._command, str(self._seed), "100000", str(self._output)])
            pipes = subprocess.PIPE
            begun.append(subprocess.Popen(command, cwd=Path(__file__).parents[1], stdin=pipes, stdout=pipes))
        self._running += begun
        for one in begun:
            assert one.stdout is not None
            assert one.stdout.readline() == b"ready\n"
        for one in begun:
            assert one.stdin is not None
            one.stdin.write(b"go\n")
            one.stdin.flush()

    def kill(self, chance: random.Random) -> None:
        """End one at whatever it is doing."""
        one = self._running.pop(chance.randrange(len(self._running)))
        _end(one)

    def stop(self) -> None:
        """End all."""
        for one in self._running:
            _end(one)

    def heard(self) -> int:
        """How many answers there are."""
        return self._output.read_bytes().count(b"\n") if self._output.exists() else 0


def _end(one: subprocess.Popen[bytes]) -> None:
    one.kill()
    # Its pipes are closed, too.
    one.communicate()


def test_no_trial_is_granted_twice_in_a_race(
    own_valkey: Callable[[], Valkey], tmp_path: Path, evidence: Evidence
) -> None:
    """Processes claim at once for people with common cards, phones and addresses; processes and store are killed.

    Answers are lost, and the key that signs is replaced under way. In the end no identifier is in two claims, whoever
    was told yes holds it, and nobody was refused for no reason.
    """
    valkey, keys, chance = own_valkey(), tmp_path / "keys.json", random.Random(1)
    found, told, trials_done = 0, 0, 0
    for number in evidence.trials(pick(short=1, long=20), seconds=60):
        keys.unlink(missing_ok=True)
        create_key_file(keys)
        with valkey.client() as client:
            client.flushall()
        output = tmp_path / f"heard-{number}"
        claimers = _Claimers(valkey, keys, output)
        try:
            claimers.start(_PROCESSES)
            _wait(claimers, 60)
            rotate(keys, SystemClock(), ahead_seconds=0)
            claimers.kill(chance)
            _wait(claimers, claimers.heard() + 300)
            claimers.start(1)
            valkey.kill9()
            valkey.restart()
            _wait(claimers, claimers.heard() + 600)
        finally:
            claimers.stop()
        heard = read(output)
        wrong = violations(heard, asyncio.run(_held(valkey.url, keys)))
        print(wrong[:5])
        found += len(wrong)
        told += len(heard)
        trials_done += 1
    evidence.row(
        promise="P5",
        tried="claims to a free trial by processes at once, killed and unheard: granted twice, or told otherwise",
        trials=told,
        violations=found,
    )
    assert trials_done > 0


def _wait(claimers: _Claimers, answers: int) -> None:
    wait_until(lambda: claimers.heard() >= answers, f"{answers} answers")


async def _held(url: str, keys: Path) -> dict[int, str]:
    """The claim of each account that holds the trial."""
    store = Store(url)
    try:
        asked = trials(store, KeyRing.load(keys, SystemClock()))
        held = {}
        for account in range(ACCOUNTS):
            found = await asked.check(TRIAL, Account(f"person-{account}"), identifiers_of(account))
            if found.outcome == "held":
                held[account] = found.claim
        return held
    finally:
        await store.close()


_PLANTED = {
    "email": ["Zelda.Quist77@example.com"],
    "phone": ["+31 20 555 0177"],
    "card": ["fp_9Zk2QuistCard77"],
    "hardware": ["QUIST-TV-77:AB:CD:EF"],
}
_SIGNALS = {"installation": "QUIST-installation-77", "ja4": "t13d7716h2_8daaf6157777_e5627efa7777"}
_ACCOUNTS = ("zelda-quist-77", "yorick-quist-78", "xenia-quist-79")


async def _claim_and_appeal(cluster: Cluster) -> None:
    """Everything that may become of a claim: granted, held, refused, asked, allowed, forgotten, and said wrongly."""
    claim = {"trial": TRIAL, "account": _ACCOUNTS[0], "identifiers": _PLANTED}
    other = {**claim, "account": _ACCOUNTS[1]}
    allowed = {"trial": TRIAL, "account": _ACCOUNTS[1], "by": "support-17", "reason": "ticket 4711"}
    gone = {"trial": "free-year", "account": _ACCOUNTS[2], "identifiers": _PLANTED}
    wrong = {**claim, "identifiers": {**_PLANTED, "phone": ["QUIST-TV-77:AB:CD:EF"]}}
    steps = [
        ("claim", claim, 201), ("claim", claim, 200), ("claim", other, 409), ("check", other, 200),
        ("override", allowed, 200), ("claim", other, 201), ("claim", gone, 201),
        ("forget", {"account": _ACCOUNTS[2]}, 200), ("claim", wrong, 400), ("claim", {**claim, "x": 1}, 400),
    ]  # fmt: skip
    for act, body, status in steps:
        answer = await cluster.call(cluster.workers[0], "POST", f"/v1/trials/{act}", json=body)
        assert answer.status_code == status, answer.text
        assert found_in({"the answer": answer.content}, _texts()) == []


async def _forget_oneself(cluster: Cluster) -> None:
    """A device signs in, comes back under a new name, and is told to look like the one before."""
    likenesses = []
    for _ in range(2):
        body = {"account": "known-by-name", "authenticated_at_ms": time.time_ns() // 1_000_000, "browser": _SIGNALS}
        answer = await cluster.call(cluster.workers[0], "POST", "/v1/sessions", json=body)
        likenesses.append(answer.raise_for_status().json()["device"]["looks_like"])
    assert [one and one["verdict"] for one in likenesses] == [None, "same"]


def _texts() -> list[str]:
    return [*_ACCOUNTS, *_SIGNALS.values(), *(text for texts in _PLANTED.values() for text in texts)]


async def test_identifiers_are_found_nowhere_in_clear(capfd: pytest.CaptureFixture[str], evidence: Evidence) -> None:
    """Looked for in every value of the store, every file of the data directory, logs and metrics."""
    async with cluster_of_workers(1, log_level="debug") as cluster:
        await _claim_and_appeal(cluster)
        await _forget_oneself(cluster)
        store = Store(cluster.valkey.url)
        try:
            held = await dump(store)
        finally:
            await store.close()
        scraped = (await cluster.call(cluster.workers[0], "GET", "/metrics")).content
        places = {"the store": repr(held).encode(), "the metrics": scraped, **files_of(cluster.valkey)}
    logged = capfd.readouterr()
    places["the logs"] = (logged.out + logged.err).encode()

    found = found_in(places, _texts())
    print(found[:5])
    evidence.row(
        promise="P5",
        tried="identifiers of trials and devices sought in clear and encoded: store, its files, logs, metrics",
        trials=sum(len(forms_of(text)) for text in _texts()) * len(places),
        violations=len(found),
    )
    # What was said of them is there, and so would they be.
    assert found_in(places, ["ticket 4711"]) != []
    assert any("appendonly" in place for place in places)
    assert any("trial-claim" in key for key in held)
