"""P9: what a small request expands to costs the shipper no memory that grows with the number of requests."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from harness.evidence import Evidence, breaks, pick
from harness.hits import snowplow, write_segment
from latchstring_gateway.reports.ledger import ledger

pytestmark = [pytest.mark.beacons, pytest.mark.timeout(pick(short=180, long=900))]

#: Sixty at the least: the mistake takes 446 MB for them, the product 159.
_POSTS = pick(short=60, long=400)
#: By which the process may grow over what it takes to ship one event, whatever there is to ship.
_MOST_GROWTH_BYTES = 300_000_000
_EVENTS = b",".join([b'{"e":"pv","url":"https://a.example/"}'] * 5_000)
_BODY = gzip.compress(
    b'{"schema":"iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4","data":[' + _EVENTS + b"]}"
)

_CHILD = """
import gc, resource, sys
from pathlib import Path
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.shipping import pieces
from latchstring_gateway.shipping.run import Shipper
from latchstring_middleware.forwarded import TrustedProxies

if sys.argv[2] == "True":
    pieces.MOST_EVENTS = pieces.MOST_BYTES = 1 << 60
# As the shipper's process does.
gc.freeze()
gc.disable()
def peak(data_dir):
    with Shipper(Path(data_dir), SystemClock(), TrustedProxies.parse("127.0.0.1")) as shipper:
        shipper.ship_once()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print("GREW", -peak(sys.argv[1] + "/small") + peak(sys.argv[1] + "/large"))
"""


def test_packed_bodies_of_many_events_take_no_memory_by_their_number(tmp_path: Path, evidence: Evidence) -> None:
    """400 POSTs of 700 bytes took 2.7 GB; 4,000 ended the shipper, and again at each start."""
    write_segment(tmp_path / "small", [snowplow()])
    write_segment(tmp_path / "large", [snowplow(b"/com.snowplowanalytics.snowplow/tp2", _BODY)] * _POSTS)

    # The promise is about this process alone, so it is measured from outside the tests' own.
    said = subprocess.run(
        [sys.executable, "-c", _CHILD, str(tmp_path), str(breaks("counts-records"))],
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = (line for line in said.stdout.splitlines() if line.startswith("GREW"))
    grew = int(line.split()[1])

    found = ledger(tmp_path / "large")
    assert (found.total.good, found.problems) == (5_000 * _POSTS, [])
    print(f"{_POSTS} bodies of {len(_BODY)} bytes and 5,000 events: the shipper grew by {grew / 1e6:.0f} MB")
    evidence.row(
        promise="P9",
        tried="events of packed bodies shipped within 300 MB",
        trials=5_000 * _POSTS,
        violations=int(grew > _MOST_GROWTH_BYTES),
    )
