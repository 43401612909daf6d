"""What a shipper takes in, in events a second and core, and where the time goes; alone and beside others.

Hits of ten thousand visitors, each with a request id and an event id, so that the index has all its work; single pixels
and batches of ten. `--help` for options.
"""

import argparse
import gc
import json
import logging
import os
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import structlog

from latchstring_gateway.beacons import payload
from latchstring_gateway.beacons.payload import BATCH, FORMAT, PIXEL, encode
from latchstring_gateway.beacons.segment import Scan, ids_of_name
from latchstring_gateway.beacons.segment_file import Disk, Segments
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.shipping.decode import units
from latchstring_gateway.shipping.enrich import Senders
from latchstring_gateway.shipping.judge import Judge, Verdicts
from latchstring_gateway.shipping.keeping import nobody
from latchstring_gateway.shipping.opened import Opened, wishes
from latchstring_gateway.shipping.run import Shipper
from latchstring_gateway.shipping.seen import Seen
from latchstring_middleware.forwarded import TrustedProxies

_T = TypeVar("_T")
_VISITORS, _AGENTS, _PAGES, _BATCH_EVENTS = 10_000, 300, 2_000, 10
_TRUSTED = TrustedProxies.parse("127.0.0.1")
_SEGMENTS = 4


def main() -> int:
    """Measure and print; speeds decide nothing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000, help="events of each kind and shipper (default: 100000)")
    parser.add_argument("--intake", type=int, default=86_000, help="hits a second of a full worker (default: 86000)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--ship", nargs=2, metavar=("FOLDER", "NUMBER"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    gc.disable()
    if chosen.ship:
        _ship(Path(chosen.ship[0]), int(chosen.ship[1]))
        return 0
    _warm_up()
    figures = {kind: _measured(kind, chosen.events) for kind in (PIXEL, BATCH)}
    if chosen.json:
        print(json.dumps(figures, indent=2))
    else:
        _print(figures, chosen.intake)
    return 0


def _measured(kind: str, events: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="latchstring-bench-") as temporary:
        found = _parts(Path(temporary) / "parts", _hits(kind, events), events)
        for shippers in (1, 2):
            folder = Path(temporary) / str(shippers)
            hits = _hits(kind, events * shippers)
            for piece in range(_SEGMENTS * shippers):
                _write(folder, hits[piece :: _SEGMENTS * shippers])
            journal_bytes = sum(file.stat().st_size for file in (folder / "journal").iterdir())
            seconds, cpu = _together(folder, shippers)
            found[f"events_per_second_{shippers}"] = events * shippers / seconds
            found[f"cpu_us_{shippers}"] = cpu / (events * shippers) * 1e6
            parquet = sum(file.stat().st_size for file in (folder / "warehouse").rglob("*.parquet"))
            found["journal_bytes"] = journal_bytes / (events * shippers)
            found["parquet_bytes"] = parquet / (events * shippers)
            shutil.rmtree(folder)
        return found


def _parts(folder: Path, hits: list[bytes], events: int) -> dict[str, float]:
    """CPU microseconds an event, part by part."""
    found: dict[str, float] = {}

    def timed(name: str, act: Callable[[], _T]) -> _T:
        began = time.process_time()
        result = act()
        found[name] = (time.process_time() - began) / events * 1e6
        return result

    path = _write(folder, hits)
    data = path.read_bytes()
    warehouse = folder / "warehouse"
    warehouse.mkdir()
    seen, senders = Seen(warehouse), Senders(_TRUSTED)
    judge = Judge(seen, nobody(), seen.number("bench"))
    records = timed("framing", lambda: list(Scan(data, ids_of_name(path.name)[0])))
    raws = timed("record", lambda: [payload.decode(record.payload) for record in records])
    read = timed("parsing", lambda: [units(raw) for raw in raws])
    told = timed("sender", lambda: [senders.of(raw) for raw in raws])
    opened = [
        Opened(
            record.journal_id + record.number.to_bytes(8, "big"), record.offset, raw.received_at_ms, found, raw, *who
        )
        for record, raw, found, who in zip(records, raws, read, told, strict=True)
    ]

    pieces = [opened[start : start + 20_000] for start in range(0, len(opened), 20_000)]
    wished = timed("claims", lambda: [wishes(piece) for piece in pieces])

    def claimed() -> list[Verdicts]:
        verdicts = []
        for piece in wished:
            with seen.transaction():
                verdicts.append(judge.claim(piece))
        return verdicts

    verdicts = timed("index", claimed)

    def placed() -> None:
        for piece, verdict in zip(pieces, verdicts, strict=True):
            judge.place(piece, verdict)

    timed("rows", placed)
    timed("columns", judge.found.rows.pack)
    timed("parquet", lambda: judge.found.rows.write(warehouse, "bench"))
    seen.close()
    return found


def _together(folder: Path, shippers: int) -> tuple[float, float]:
    """Seconds from the first to the last event, and CPU seconds, of so many shippers that share a journal."""
    argv = [sys.executable, __file__, "--ship", str(folder)]
    started = [
        subprocess.Popen([*argv, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for number in range(1, shippers + 1)
    ]
    for process in started:
        assert process.stdout is not None
        process.stdout.readline()
    began = time.monotonic()
    for process in started:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    cpu = sum(float(process.communicate()[0]) for process in started)
    return time.monotonic() - began, cpu


def _ship(folder: Path, number: int) -> None:
    """Ship what is in a journal, once somebody says so; print the CPU seconds it took."""
    _warm_up()
    gc.freeze()
    with Shipper(folder, SystemClock(), _TRUSTED, number=number) as shipper:
        print("ready", flush=True)
        sys.stdin.readline()
        began = time.process_time()
        while shipper.ship_once():
            pass
        print(time.process_time() - began)


def _warm_up() -> None:
    """Load and compile what is loaded and compiled at first use."""
    with tempfile.TemporaryDirectory(prefix="latchstring-bench-") as temporary:
        _parts(Path(temporary), _hits(PIXEL, 1_000), 1_000)


def _write(folder: Path, hits: list[bytes]) -> Path:
    """A finished segment."""
    segments = Segments(
        folder / "journal",
        SystemClock(),
        Disk(),
        secrets.token_bytes(8),
        durable=False,
        random_bytes=secrets.token_bytes,
    )
    segment = segments.write_again([(0, hits)])
    segments.settle([segment], None)
    return segment.path


def _hits(kind: str, events: int) -> list[bytes]:
    chance = random.Random(1)
    now_ms = SystemClock().wall_ms()
    agents = [
        b"Mozilla/5.0 (X11; Linux x86_64; rv:%d) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
        % n
        for n in range(_AGENTS)
    ]
    visitors = [
        (chance.choice(agents), b"203.%d.%d.%d" % tuple(chance.randrange(256) for _ in range(3)))
        for _ in range(_VISITORS)
    ]

    def head() -> list[tuple[bytes, bytes]]:
        agent, address = chance.choice(visitors)
        return [
            (b"user-agent", agent),
            (b"accept-language", b"en-GB,en;q=0.7"),
            (b"referer", b"https://www.example.com/watch/17"),
            (b"sec-fetch-dest", b"image"),
            (b"x-forwarded-for", address),
            (b"x-latch-hit", secrets.token_hex(16).encode()),
        ]

    def pixel(number: int) -> bytes:
        said = b"e=view&p=%%2Fwatch%%2F%d&id=%s" % (chance.randrange(_PAGES), secrets.token_hex(8).encode())
        at_ms = now_ms + number // 20
        return encode((FORMAT, PIXEL, at_ms, "127.0.0.1", b"GET", b"/b.gif?" + said, head(), b"", 0))

    def batch(number: int) -> bytes:
        said = [
            {"type": "view", "page": f"/watch/{chance.randrange(_PAGES)}", "id": secrets.token_hex(8), "t": now_ms}
            for _ in range(_BATCH_EVENTS)
        ]
        body = json.dumps(said).encode()
        headers = [*head(), (b"content-type", b"application/json")]
        at_ms = now_ms + number // 2
        return encode((FORMAT, BATCH, at_ms, "127.0.0.1", b"POST", b"/b", headers, body, len(body)))

    if kind == PIXEL:
        return [pixel(number) for number in range(events)]
    return [batch(number) for number in range(events // _BATCH_EVENTS)]


def _print(figures: dict[str, dict[str, float]], intake: int) -> None:
    parts = ("framing", "record", "parsing", "sender", "claims", "index", "rows", "columns", "parquet")
    print(f"shipping, {os.cpu_count()} cores: CPU microseconds an event")
    print(f"{'':10}" + "".join(f"{part:>9}" for part in parts) + f"{'all':>9}{'events/s/core':>16}")
    for kind, found in figures.items():
        one = found["cpu_us_1"]
        print(f"{kind:10}" + "".join(f"{found[part]:9.2f}" for part in parts) + f"{one:9.2f}{1e6 / one:16,.0f}")
    for kind, found in figures.items():
        ratio = found["events_per_second_2"] / found["events_per_second_1"]
        print(
            f"{kind}: {found['events_per_second_1']:,.0f} events/s by one shipper, "
            f"{found['events_per_second_2']:,.0f} by two ({ratio:.2f} times as many); "
            f"{found['journal_bytes']:.0f} bytes an event in the journal, {found['parquet_bytes']:.0f} in the warehouse"
        )
    per_core = 1e6 / figures[PIXEL]["cpu_us_1"]
    print(f"one shipper takes in {per_core / intake:.2f} of what one full worker does ({intake:,} hits/s; goal 0.5)")
    growth = max(0.0, intake - per_core) * figures[PIXEL]["journal_bytes"] / 1e6
    print(
        f"beside a full worker the backlog of one shipper grows by {growth:.1f} MB/s, of two by "
        f"{max(0.0, intake - 2 * per_core) * figures[PIXEL]['journal_bytes'] / 1e6:.1f}"
    )


if __name__ == "__main__":
    sys.exit(main())
