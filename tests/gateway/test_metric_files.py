"""Metrics of processes that died: folded into a few files, and no scrape sees a value missing, twice or fallen."""

import asyncio
import fcntl
import math
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.parser import text_string_to_metric_families

from latchstring_gateway import metric_files
from latchstring_gateway.metric_files import FilesHeld, fold, scrape

#: Above every process id (pid_max is at most 4,194,304).
_DEAD = range(5_000_000, 5_000_200)


def _file(directory: Path, name: str, values: dict[tuple[str, str], float], at: float = 0.0) -> None:
    """As a process leaves it: values by (metric, sample)."""
    written = MmapedDict(str(directory / name))
    for (metric, sample), value in values.items():
        name, _, limit = sample.partition(" ")
        names, labels = (["le"], [limit]) if limit else ([], [])
        written.write_value(mmap_key(metric, name, names, labels, "A test's."), value, at)
    written.close()


def _process(directory: Path, pid: int, *, seconds: float = 0.1, at: float = 0.0) -> None:
    _file(directory, f"counter_{pid}.db", {("hits", "hits_total"): 3.0})
    buckets = {("took", "took_bucket 1.0"): 1.0, ("took", "took_bucket +Inf"): 0.0, ("took", "took_sum"): seconds}
    _file(directory, f"histogram_{pid}.db", buckets)
    _file(directory, f"gauge_livemax_{pid}.db", {("backlog", "backlog"): 7.0})
    _file(directory, f"gauge_mostrecent_{pid}.db", {("ledger", "ledger"): float(pid)}, at=at)


async def _scraped(directory: Path) -> dict[str, float]:
    text = (await scrape(directory)).decode()
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {f"{sample.name} {sample.labels.get('le', '')}".strip(): sample.value for sample in samples}


@pytest.fixture
def frozen() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that are killed in the end."""
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        with process:
            process.kill()


async def test_files_of_dead_processes_are_bounded_and_their_totals_stay(tmp_path: Path) -> None:
    """A crash loop left three files for each death until `serve` was started again, and each scrape read them all."""
    _process(tmp_path, os.getpid(), at=1.0)
    dead: set[int] = set()
    expected = {"hits_total": 3.0, "took_bucket 1.0": 1.0, "took_bucket +Inf": 1.0, "took_count": 1.0}
    for number, pid in enumerate(_DEAD, start=2):
        _process(tmp_path, pid, at=float(number))
        dead.add(pid)
        await fold(tmp_path, dead)
        found = await _scraped(tmp_path)

        assert dead == set()
        assert {name: found[name] for name in expected} == {name: number * value for name, value in expected.items()}
        assert found["ledger"] == pid, "the latest says it"
        assert found["backlog"] == 7
    assert found["took_sum"] == pytest.approx(20.1)
    assert len(list(tmp_path.iterdir())) == 4 + 3
    assert (tmp_path / "counter_folded.db").stat().st_size < 1_000


@pytest.mark.parametrize("seed", range(5))
async def test_no_sum_falls_by_its_last_bit_when_it_is_folded(tmp_path: Path, seed: int) -> None:
    """Fractions that are added in another order: lower by 1e-16, which Prometheus takes for a restart."""
    chance = random.Random(seed)
    _process(tmp_path, os.getpid(), seconds=chance.random() * 1e6)
    pids = list(_DEAD[:40])
    for pid in pids:
        _process(tmp_path, pid, seconds=chance.random() ** 9)
    last = (await _scraped(tmp_path))["took_sum"]
    first = last
    while pids:
        some = set(pids[: chance.randint(1, 4)])
        pids = pids[len(some) :]
        await fold(tmp_path, some)
        now = (await _scraped(tmp_path))["took_sum"]

        assert now >= last
        last = now
    assert last <= first + 40 * math.ulp(first)


async def test_scrapes_while_files_are_folded_see_every_value_once(tmp_path: Path) -> None:
    """A scrape in another process, between the new file and the removal of the old ones, counted them twice."""
    for pid in _DEAD[:60]:
        _process(tmp_path, pid)
    program = (
        "import asyncio, pathlib, sys; from latchstring_gateway.metric_files import scrape\n"
        "folder = pathlib.Path(sys.argv[1]); print('ready', flush=True)\n"
        "while not (folder / 'stop').exists():\n"
        "    (line,) = [x for x in asyncio.run(scrape(folder)).decode().splitlines() if x.startswith('hits_total')]\n"
        "    print(line, flush=True)\n"
    )
    reader = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert reader.stdout is not None
    assert reader.stdout.readline() == "ready\n"
    reader.stdout.readline()
    for pid in _DEAD[:60]:
        await fold(tmp_path, {pid})
        await asyncio.sleep(0.001)
    (tmp_path / "stop").touch()
    seen = await asyncio.to_thread(reader.communicate)

    assert set(seen[0].split()) == {"hits_total", "180.0"}


async def test_a_file_that_cannot_be_read_costs_only_itself(tmp_path: Path) -> None:
    """A process that was killed while it made its file left it empty, and every scrape was a 500 from then on."""
    _process(tmp_path, os.getpid())
    (tmp_path / f"counter_{_DEAD[0]}.db").touch()
    (tmp_path / f"counter_{_DEAD[1]}.db").write_bytes(b"\xff" * 100)
    found = await _scraped(tmp_path)
    await fold(tmp_path, set(_DEAD))

    assert found["hits_total"] == 3
    assert await _scraped(tmp_path) == found
    assert not list(tmp_path.glob(f"*_{_DEAD[0]}.db"))


async def test_files_of_a_process_id_in_use_again_are_left(tmp_path: Path) -> None:
    """Its new process writes into the same files."""
    _process(tmp_path, os.getpid())
    before = sorted(tmp_path.iterdir())
    dead = {os.getpid()}
    await fold(tmp_path, dead)

    assert (sorted(tmp_path.iterdir()), dead) == (before, {os.getpid()})


@pytest.mark.parametrize(("held", "asked"), [(fcntl.LOCK_SH, fold), (fcntl.LOCK_EX, scrape)])
async def test_who_is_frozen_with_the_lock_stops_neither_scrapes_nor_the_supervisor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frozen: list[subprocess.Popen[bytes]], held: int, asked: object
) -> None:
    """Given up after two seconds; what was not folded is folded later."""
    monkeypatch.setattr(metric_files, "_PATIENCE_SECONDS", 0.1)
    _process(tmp_path, _DEAD[0])
    program = (
        "import fcntl, os, sys; d = os.open(sys.argv[1], os.O_RDONLY); fcntl.flock(d, int(sys.argv[2]))\n"
        "print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(tmp_path), str(held)]
    frozen.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
    assert frozen[0].stdout is not None
    frozen[0].stdout.readline()
    frozen[0].send_signal(signal.SIGSTOP)
    dead = {_DEAD[0]}

    with pytest.raises(FilesHeld):
        await (fold(tmp_path, dead) if asked is fold else scrape(tmp_path))
    assert dead == {_DEAD[0]}
    frozen[0].kill()
    frozen[0].wait()
    await fold(tmp_path, dead)
    assert dead == set()
    assert (await _scraped(tmp_path))["hits_total"] == 3
