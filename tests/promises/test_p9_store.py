"""P9: what the store holds follows from who is signed in, however old the installation is: years in simulated time.

The store runs under libfaketime, since scripts ask it for its TIME and keys end by it (harness/year_of_a_store.py).
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.evidence import Evidence, breaks, pick

pytestmark = [pytest.mark.beacons, pytest.mark.timeout(pick(short=300, long=3_600))]

#: Steps, and days of each: two and a half years, since a device is remembered for 400 days.
_STEPS, _DAYS = pick(short=(44, 20), long=(300, 3))
_SETTLED_DAYS = 440
#: The first half of what follows against the second.
_ROOM = 1.15


def test_years_of_a_store_hold_no_more_than_who_is_signed_in(tmp_path: Path, evidence: Evidence) -> None:
    """Sign-ins, removals, erasures, restarts; what is over goes by itself, and nothing is left of anybody."""
    found = _years(tmp_path, leaks=breaks("a-row-that-nothing-deletes"))

    later = found[_SETTLED_DAYS // _DAYS :]
    half = len(later) // 2
    grown = [
        f"{name}: {max(one[name] for one in later[half:])} after {max(one[name] for one in later[:half])}"
        for name in ("keys", "bytes")
        if max(one[name] for one in later[half:]) > max(one[name] for one in later[:half]) * _ROOM
    ]
    evidence.row(
        promise="P9",
        tried="a store over two and a half years: keys or bytes that grew after all lives had run out",
        trials=len(found),
        violations=len(grown),
    )
    assert grown == []
    assert len(found) == _STEPS


def _years(folder: Path, *, leaks: bool) -> list[dict[str, Any]]:
    stamp = folder / "stamp"
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    words = [str(stamp), str(_STEPS), str(_DAYS), str(int(leaks))]
    told = subprocess.run(
        [sys.executable, "-m", "harness.year_of_a_store", *words], env=env, capture_output=True, text=True, check=False
    )
    lines = [line for line in told.stdout.splitlines() if line.startswith("{")]
    assert told.returncode == 0, (told.stdout + told.stderr)[-4_000:]
    return [json.loads(line) for line in lines]
