"""A file system of a few megabytes, in a mount namespace of its own: it is gone when its process ends.

    python -m harness.small_disk FOLDER SIZE_BYTES MODULE:FUNCTION

mounts a tmpfs of that size on FOLDER, calls the function with the folder, and prints what it returns as JSON.
"""

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: Root needs no user namespace, and some containers allow root what they forbid to others, and the other way round.
_NAMESPACES = (["--mount"], ["--user", "--map-root-user", "--mount"])


def namespace() -> list[str] | None:
    """The command that enters a mount namespace; None where the system allows none."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return None
    for options in _NAMESPACES:
        command = [unshare, *options]
        tried = subprocess.run([*command, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True)
        if tried.returncode == 0:
            return command
    return None


def on_small_disk(folder: Path, size_bytes: int, function: Callable[[Path], Any]) -> Any:
    """What `function` (of a module's top level) returns, called in a process whose `folder` is a small file system."""
    entered = namespace()
    assert entered is not None
    name = f"{function.__module__}:{function.__name__}"
    ran = subprocess.run(
        [*entered, sys.executable, "-m", "harness.small_disk", str(folder), str(size_bytes), name],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


def main() -> None:
    """See the module."""
    folder, size_bytes, name = sys.argv[1:]
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", folder], check=True)
    module, _, function = name.partition(":")
    print(json.dumps(getattr(importlib.import_module(module), function)(Path(folder))))


if __name__ == "__main__":
    main()
