"""What is released: the sdist, and the wheel that is made of it, as installers do."""

import subprocess
import sys
import zipfile
from pathlib import Path

_ROOT: Path = Path(__file__).parents[1]
_BUILD = [sys.executable, "-m", "hatchling", "build", "--directory"]


def _files(folder: str, name: str) -> set[str]:
    return {
        f"{name}/{path.relative_to(_ROOT / folder)}"
        for path in (_ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_a_wheel_made_of_the_sdist_holds_both_packages_whole(tmp_path: Path) -> None:
    """A wheel of the sdist lacked latchstring_middleware and could not start: the links in import/ hid its folder."""
    subprocess.run([*_BUILD, tmp_path, "--target", "sdist"], cwd=_ROOT, check=True, capture_output=True)
    (sdist,) = tmp_path.glob("*.tar.gz")
    subprocess.run(["tar", "--extract", "--gzip", "--file", sdist, "--directory", tmp_path], check=True)
    unpacked = tmp_path / sdist.name.removesuffix(".tar.gz")
    subprocess.run([*_BUILD, tmp_path, "--target", "wheel"], cwd=unpacked, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}

    assert packed == _files("gateway", "latchstring_gateway") | _files("middleware", "latchstring_middleware")
    assert {"README.md", "LICENSE", "CHANGELOG.md", "deploy", "docs"} <= {path.name for path in unpacked.iterdir()}
