"""Python runs this when it starts, where this folder is on its path: mistakes and faults that a test wants everywhere.

The mistakes of breakable_worker.py, so that workers that `latchstring serve` starts by itself can be broken too, and
the faulty starts of faulty_start.py. `harness.service` puts the folder on the path of a run that asks for either, and
of no other.
"""

import os

from harness.faulty_start import fail_if_told

fail_if_told()
if os.environ.get("EVIDENCE_BREAK"):
    from harness.breakable_worker import put_mistakes_in

    put_mistakes_in()
