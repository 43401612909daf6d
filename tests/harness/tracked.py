"""A gateway for foreign trackers, and what became of what they sent."""

import contextlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from harness.edge_gateway import EdgeGateway
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.reports.events import committed_events
from latchstring_gateway.reports.ledger import Ledger, ledger
from latchstring_gateway.shipping.dead_letters import DeadLetter, read_dead_letters
from latchstring_gateway.shipping.keeping import Kept, Policy, Ruling, kept_letter
from latchstring_gateway.shipping.run import Shipper
from latchstring_middleware.forwarded import TrustedProxies


def everybody() -> Policy:
    """The policy of a deployment where everybody has agreed to everything."""
    agreed = Ruling(lambda event: Kept(event, event.visitor, "tracker", "granted"), kept_letter)
    return lambda _hit, _sender: agreed


class Tracked:
    """A gateway of one worker; when its tracker is done, `rows`, `letters` and `ledger` tell what was counted."""

    def __init__(self, gateway: EdgeGateway) -> None:
        self.gateway = gateway
        self.url = f"http://{gateway.address}"
        self.host, _, self.port = gateway.address.partition(":")

    def ship(self) -> None:
        """Stop the worker, so that its segment is finished, and ship."""
        self.gateway.stop_workers()
        trusted = TrustedProxies.parse("127.0.0.1")
        with Shipper(self.gateway.data_dir, SystemClock(), trusted, policies=everybody) as shipper:
            shipper.ship_once()

    def rows(self) -> list[dict[str, Any]]:
        """Every event that counts, in the order of receipt; `properties` decoded."""
        with committed_events(self.gateway.data_dir / "warehouse") as base:
            if base is None:
                return []
            found = base.sql('SELECT * FROM events ORDER BY received_at, "offset", unit').to_arrow_table()
        rows: list[dict[str, Any]] = found.to_pylist()
        return [row | {"properties": json.loads(row["properties"] or "{}")} for row in rows]

    def letters(self) -> list[DeadLetter]:
        """Every dead letter."""
        files = sorted((self.gateway.data_dir / "warehouse" / "dead-letters").rglob("*.jsonl"))
        return [letter for file in files for letter in read_dead_letters(file)]

    def ledger(self) -> Ledger:
        """The ledger."""
        return ledger(self.gateway.data_dir)


@contextlib.contextmanager
def tracked(**settings: str) -> Iterator[Tracked]:
    """A running gateway; `settings` are LATCHSTRING_* without the prefix."""
    # In a thread of its own, that lives as long: beside playwright an event loop counts as running in this one.
    with ThreadPoolExecutor(1) as thread:
        gateway = thread.submit(lambda: EdgeGateway(workers=1, **settings)).result()
        try:
            yield Tracked(gateway)
        finally:
            gateway.close()


def journal_bytes(tracked: Tracked) -> bytes:
    """Everything the journal holds."""
    return b"".join(path.read_bytes() for path in sorted(Path(tracked.gateway.data_dir / "journal").iterdir()))
