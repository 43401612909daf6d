"""Whether a data directory is new: only then may keys be made without anybody asking for them."""

from pathlib import Path
from typing import Final

#: What a gateway makes when it first runs.
_TRACES: Final = ("store", "journal", "warehouse")


def was_used(data_dir: Path) -> bool:
    """Whether a gateway has run on this directory, so that somebody may hold cookies of its keys."""
    return any((data_dir / name).exists() for name in _TRACES)
