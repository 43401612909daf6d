"""Where the processes of a node keep their metrics, so that any worker tells of all; imports no prometheus_client."""

import os
from pathlib import Path


def metrics_directory(data_dir: Path) -> Path:
    """The folder of the shared files."""
    return data_dir / "run" / "metrics"


def share_metrics(data_dir: Path) -> None:
    """Name the folder to prometheus_client, which reads it when it is imported; so call this before."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        directory = metrics_directory(data_dir)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
