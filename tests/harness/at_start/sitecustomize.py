"""Python runs this when it starts, where this folder is on its path: the mistakes of breakable_worker.py, everywhere.

So workers that `latchstring serve` starts by itself can be broken too; `harness.service` puts the folder on the path of
a run with EVIDENCE_BREAK, and of no other.
"""

from harness.breakable_worker import put_mistakes_in

put_mistakes_in()
