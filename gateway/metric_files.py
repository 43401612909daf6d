"""The files in which a node's processes share their metrics: scraped as one, and folded when their process has died.

    run/metrics/counter_4711.db   counter_folded.db   gauge_mostrecent_4711.db   histogram_4711.db

A counter of the node must never seem to fall: Prometheus takes that for a restart and counts all of it once more. So
what a dead process counted stays, in one file for each type. Scrapes share a lock (flock on the folder) that folding
holds alone: no scrape sees a value twice or not at all. And sums are exact whatever files they come from: added in
another order, fractions of a second could come out lower by their last bit.
"""

import asyncio
import contextlib
import fcntl
import json
import math
import os
import struct
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from . import logs

#: Key as prometheus_client writes it, value, and when it was set (of a gauge).
_Values: TypeAlias = list[tuple[str, float, float]]

#: Folding takes milliseconds. Whoever holds the lock for longer is frozen, and nobody waits for that.
_PATIENCE_SECONDS: Final = 2.0
_ASK_AGAIN_SECONDS: Final = 0.005

_log: Final = logs.get("metrics")


class FilesHeld(Exception):
    """Another process has held the files for too long: this scrape or folding is left out."""


async def scrape(directory: Path) -> bytes:
    """All metrics of a node in the text format. Raises FilesHeld: a scrape that is missing harms no rate."""
    async with _locked(directory, fcntl.LOCK_SH):
        registry = CollectorRegistry()
        registry.register(_Together(directory))
        return generate_latest(registry)


async def fold(directory: Path, dead: set[int]) -> None:
    """Fold the files of these processes into one for each type; takes those that are done out of `dead`.

    Raises FilesHeld, and OSError if the disk refuses: then everything is as it was, and the next call does it. A
    process id that is in use again is left for later.
    """
    async with _locked(directory, fcntl.LOCK_EX):
        ready = {pid for pid in dead if not _lives(pid)}
        _fold_those_of(ready, directory)
        dead -= ready


class _Together(Collector):
    """All files of a folder, as prometheus_client merges them; one that cannot be read costs only itself."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterator[Metric]:
        """Each metric once."""
        readable, parts = [], defaultdict(list)
        for file in sorted(self._directory.glob("*.db")):
            values = _read(file)
            if values is None:
                continue
            readable.append(str(file))
            if not file.name.startswith("gauge"):
                for key, value, _ in values:
                    parts[key].append(value)
        sums = {}
        for key, added in parts.items():
            _metric, name, labels, _help = json.loads(key)
            sums[name, frozenset(labels.items())] = math.fsum(added)
        for metric in MultiProcessCollector.merge(readable):
            metric.samples = [
                # Of a histogram's buckets the file has what fell into each, the scrape what fell below its limit.
                one
                if metric.type == "gauge" or "le" in one.labels
                else one._replace(value=sums.get((one.name, frozenset(one.labels.items())), one.value))
                for one in metric.samples
            ]
            yield metric


@contextlib.asynccontextmanager
async def _locked(directory: Path, how: int) -> AsyncIterator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for _ in range(round(_PATIENCE_SECONDS / _ASK_AGAIN_SECONDS)):
            try:
                fcntl.flock(descriptor, how | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_ASK_AGAIN_SECONDS)
            except OSError:
                # A file system without locks: nothing is folded there, and scrapes need none.
                if how == fcntl.LOCK_EX:
                    raise
                break
        else:
            raise FilesHeld(f"the metrics in {directory} are held by another process")
        yield
    finally:
        os.close(descriptor)


def _fold_those_of(dead: set[int], directory: Path) -> None:
    files = defaultdict(list)
    for file in sorted(directory.glob("*.db")):
        of_type, _, pid = file.stem.rpartition("_")
        if pid.isdigit() and int(pid) in dead:
            files[of_type].append(file)
    for of_type, theirs in files.items():
        # What a process said of itself alone holds no more.
        if not of_type.startswith("gauge_live"):
            _fold(directory / f"{of_type}_folded.db", theirs, is_gauge=of_type.startswith("gauge"))
        for file in theirs:
            file.unlink()


def _fold(target: Path, files: list[Path], *, is_gauge: bool) -> None:
    found = defaultdict(list)
    for file in (target, *files) if target.exists() else files:
        values = _read(file)
        if values is None:
            _log.warning("metrics_unreadable", file=file.name)
        for key, value, at in values or ():
            found[key].append((at, value))
    entries = []
    for key, theirs in found.items():
        at, value = max(theirs)
        entries.append((key, value if is_gauge else _at_least(value for _, value in theirs), at))
    new = target.with_suffix(".new")
    new.write_bytes(_as_file(entries))
    new.replace(target)


def _as_file(values: _Values) -> bytes:
    """As MmapedDict writes it. Through its mapped memory, a full disk would kill this process."""
    entries = b""
    for key, value, at in values:
        text = key.encode()
        padded = text + b" " * (8 - (len(text) + 4) % 8)
        entries += struct.pack(f"i{len(padded)}sdd", len(text), padded, value, at)
    return struct.pack("ii", 8 + len(entries), 0) + entries


def _at_least(parts: Iterator[float]) -> float:
    """The sum of them, or the next number above it: what is rounded down would be a counter that falls."""
    exact = list(parts)
    total = math.fsum(exact)
    is_short = math.fsum((total, *(-part for part in exact))) < 0
    return math.nextafter(total, math.inf) if is_short else total


def _read(file: Path) -> _Values | None:
    """What the file holds; None if nothing can be read, as of a process that was killed while it made the file."""
    try:
        return [(key, value, at) for key, value, at, _ in MmapedDict.read_all_values_from_file(str(file))]
    except (OSError, RuntimeError, ValueError, struct.error):
        return None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
