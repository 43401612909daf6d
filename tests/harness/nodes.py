"""Several nodes, each with a data directory of its own, and what becomes of their hits in one place."""

import shutil
from pathlib import Path

from harness.hits import TRUSTED
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.housekeeping.house import House
from latchstring_gateway.shipping.run import Shipper


def ship(data_dir: Path) -> int:
    """Ship what is in a node's journal, and take into its index what was brought to its warehouse."""
    with Shipper(data_dir, ManualClock(), TRUSTED) as shipper:
        done = shipper.ship_once()
    take_in(data_dir)
    return done


def take_in(data_dir: Path) -> None:
    """Take into the index of a node what is missing there."""
    with House(data_dir, ManualClock()) as house:
        while house.take_in():
            pass


def bring_journal(source: Path, target: Path) -> None:
    """Move a node's finished segments into another one's journal."""
    (target / "journal").mkdir(parents=True, exist_ok=True)
    for segment in (source / "journal").glob("*.segment"):
        shutil.move(segment, target / "journal" / segment.name)


def bring_warehouse(source: Path, target: Path) -> None:
    """Copy a node's warehouse into another one's as the document says: first the files, then the records."""
    for folder in ("events", "dead-letters", "quarantine", "adjustments", "commits"):
        if (source / "warehouse" / folder).is_dir():
            shutil.copytree(source / "warehouse" / folder, target / "warehouse" / folder, dirs_exist_ok=True)
