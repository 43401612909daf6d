"""Children that fail at their start: FAULTY_STARTS names a JSON file, {"shipper": "raise", "deliverer": "exit 0", …}.

Read by `at_start` in every Python process of a service that was started with it. A way is one of STARTS.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

VARIABLE: Final = "FAULTY_STARTS"
STARTS: Final = ("raise", "exit 0", "exit 1", "hang")


def fail_if_told() -> None:
    """Fail in the way that this child is to fail, if any."""
    path, child = os.environ.get(VARIABLE), os.environ.get("LATCHSTRING_CHILD")
    if not path or not child:
        return
    way = json.loads(Path(path).read_text()).get(child)
    if way == "raise":
        from latchstring_gateway.supervise import entry

        run_child: Any = entry.run_child
        entry.run_child = lambda work_of: int(run_child(_raise))
    elif way == "hang":
        time.sleep(3_600)
    elif way is not None:
        # As if it had nothing to do, or not even an exception.
        sys.stderr.flush()
        os._exit(int(way.removeprefix("exit ")))


def _raise(_chosen: object, _work: object) -> int:
    raise ImportError("the 'socksio' package is not installed")
