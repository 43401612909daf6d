"""A second service on a data directory is refused before it touches anything."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from latchstring_gateway.cli.main import app
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.node_health import SUPERVISOR, HealthFile, health_directory
from latchstring_gateway.supervise.serve_lock import DirectoryInUse, held
from latchstring_gateway.supervise.shared_metrics import metrics_directory


def test_a_directory_is_served_once_at_a_time(tmp_path: Path) -> None:
    """And again when the first is gone; nothing is written for it."""
    with held(tmp_path / "data"):
        with pytest.raises(DirectoryInUse, match="another process"), held(tmp_path / "data"):
            pass
        HealthFile(health_directory(tmp_path / "data"), SUPERVISOR, SystemClock()).write()
        with pytest.raises(DirectoryInUse, match=f"process {os.getpid()}, which"), held(tmp_path / "data"):
            pass
    with held(tmp_path / "data"):
        pass


def test_a_second_service_is_refused_and_leaves_the_first_ones_figures(tmp_path: Path) -> None:
    """With an outside store nothing refused it: its shipper died again and again, and the first's metrics were gone."""
    kept = metrics_directory(tmp_path) / "counter_1.db"
    kept.parent.mkdir(parents=True)
    kept.touch()
    env = {"LATCHSTRING_DATA_DIR": str(tmp_path), "LATCHSTRING_STORE": "redis://127.0.0.1:1"}
    with held(tmp_path):
        ran = CliRunner().invoke(app, ["serve"], env=env)

    assert ran.exit_code == 2
    assert "is in use by" in ran.stderr
    assert kept.exists()
