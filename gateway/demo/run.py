"""`latchstring demo`: supervisor, website and proxy on this machine, kept running until Ctrl-C; or walked through once.

The gateway's supervisor is itself a kept child: if it is killed, it is started again here, and the listening socket is
held open meanwhile, so no request is refused.
"""

import asyncio
import contextlib
import os
import socket
import ssl
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

import httpx

from .. import logs
from ..clock import SystemClock
from ..settings import read
from ..supervise.children import Child
from ..supervise.listening import LISTEN_FD_VARIABLE, CannotListen, listening_socket
from ..supervise.supervisor import Supervisor
from .caddy import CaddyMissing, Proxy
from .catalogue import MEMBERS
from .chromium import BrowserMissing, find_chromium
from .prepare import prepare
from .website import SITE_NAME

#: How the installed command is started without knowing where it lies.
COMMAND: Final = (sys.executable, "-c", "import sys; from latchstring_gateway.cli.main import main; sys.exit(main())")

_START_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Demo:
    """One demo: its directory and its three addresses, all on the loopback: proxy, gateway, website."""

    data_dir: Path
    port: int

    @property
    def origin(self) -> str:
        """What people open."""
        return f"https://localhost:{self.port}"

    @property
    def gateway(self) -> str:
        """Where the gateway listens."""
        return f"127.0.0.1:{self.port + 1}"

    @property
    def website(self) -> str:
        """Where the website listens; the same at every start, since the hook is registered for it."""
        return f"127.0.0.1:{self.port + 2}"

    @property
    def hook_url(self) -> str:
        """Where the gateway tells the website."""
        return f"http://{self.website}/hooks/latchstring"

    @property
    def proxy(self) -> Proxy:
        """The Caddy before both."""
        return Proxy(port=self.port, gateway=self.gateway, website=self.website, directory=self.data_dir / "caddy")

    def settings(self) -> dict[str, str]:
        """The gateway's settings, as environment."""
        return {
            "LATCHSTRING_DATA_DIR": str(self.data_dir.resolve()),
            "LATCHSTRING_LISTEN": self.gateway,
            "LATCHSTRING_PUBLIC_ORIGIN": self.origin,
            "LATCHSTRING_SITE_NAME": SITE_NAME,
            "LATCHSTRING_LANGUAGES": "en,nl,ar",
            # Reports show what happened a moment ago, at the price of more and smaller files.
            "LATCHSTRING_SEGMENT_MAX_SECONDS": "2",
        }


class PreparedWebsite:
    """Care for the website's process: before each start the gateway is up and has given out what it needs."""

    def __init__(self, demo: Demo) -> None:
        self._demo = demo

    def before_start(self) -> Sequence[str]:
        """Wait for the gateway's readiness, at most a minute, and prepare. Raises TimeoutError."""
        asyncio.run(self._prepare())
        return ()

    def started(self, pid: int) -> None:
        """Nothing to note."""

    def is_ready(self, pid: int) -> bool:
        """Whether the website answers."""
        return asyncio.run(_answers(f"http://{self._demo.website}/sign-in"))

    def cause_of_death(self) -> str:
        """See the log."""
        return "unknown"

    async def _prepare(self) -> None:
        await _until_answers(f"http://{self._demo.gateway}/health/ready")
        demo = self._demo
        await prepare(demo.data_dir, store_url=read(data_dir=demo.data_dir).store_url, hook_url=demo.hook_url)


def run(*, data_dir: Path, port: int, walk: bool) -> int:
    """Bring everything up and stay until Ctrl-C or SIGTERM; the exit code. Call from the main thread.

    With `walk`, go through the story in a headless browser and stop: 0 if all of it held, else 1. 2 if it cannot start.
    """
    for name in [name for name in os.environ if name.startswith("LATCHSTRING_")]:
        # The demo is the same wherever it runs.
        del os.environ[name]
    demo = Demo(data_dir.resolve(), port)
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        chromium = find_chromium() if walk else ""
        _require_free_ports(demo)
        with listening_socket(demo.gateway) as listener, _own_terminal(demo.data_dir / "demo.log") as terminal:
            logs.configure(json_lines=True)
            return asyncio.run(_run(demo, listener, terminal, chromium))
    except (CannotListen, CaddyMissing, BrowserMissing) as error:
        sys.stderr.write(f"latchstring demo: {error}\n")
        return 2


async def _run(demo: Demo, listener: socket.socket, terminal: TextIO, chromium: str) -> int:
    supervisor = Supervisor(_groups(demo, listener), patience_seconds=_START_SECONDS)
    running = asyncio.create_task(supervisor.run())
    telling = asyncio.create_task(_tell(demo, terminal, chromium))
    await asyncio.wait({running, telling}, return_when=asyncio.FIRST_COMPLETED)
    if telling.done() and (telling.exception() or telling.result() is not None):
        supervisor.ask_to_stop()
        await running
        return telling.result() or 0
    # Up for good, or ended while it was starting: by Ctrl-C, or because the gateway cannot run.
    ended = await running
    telling.cancel()
    await asyncio.gather(telling, return_exceptions=True)
    if ended:
        tail = _end_of(demo.data_dir / "demo.log")
        _say(terminal, f"  ✗ the gateway ended with {ended}; the end of its log:\n{tail}")
    else:
        _say(terminal, "\nStopped.")
    return ended


def _groups(demo: Demo, listener: socket.socket) -> list[list[Child]]:
    supervisor = Child(
        name="supervisor",
        argv=[*COMMAND, "serve"],
        env={**demo.settings(), LISTEN_FD_VARIABLE: str(listener.fileno())},
        pass_fds=(listener.fileno(),),
        stop_seconds=40.0,
        # It refused to start, and another start would change nothing.
        final_codes=frozenset({1, 2, os.EX_CONFIG}),
    )
    host, _, port = demo.website.partition(":")
    uvicorn = [sys.executable, "-m", "uvicorn", "--factory", "latchstring_gateway.demo.website:from_environment"]
    website = Child(
        name="website",
        argv=[*uvicorn, "--host", host, "--port", port, "--no-proxy-headers", "--no-server-header", "--no-access-log"],
        env={"LANTERN_DATA": str(demo.data_dir), "LANTERN_GATEWAY": f"http://{demo.gateway}"},
        care=PreparedWebsite(demo),
    )
    return [[supervisor], [website], [demo.proxy.child()]]


async def _tell(demo: Demo, terminal: TextIO, chromium: str) -> int | None:
    """Say what has come up; then walk and give a verdict, or say how to go on and give None."""
    clock = SystemClock()
    begun_ns = clock.boot_ns()

    def up(what: str) -> None:
        _say(terminal, f"  ✓ {what} ({(clock.boot_ns() - begun_ns) / 1e9:.1f} s)")

    _say(terminal, f"Starting the demo in {demo.data_dir}; its log is demo.log there.")
    try:
        await _until_answers(f"http://{demo.gateway}/health/ready")
        up("store, workers, shipper and hook deliverer")
        await _until_answers(f"http://{demo.website}/sign-in")
        up(f"{SITE_NAME}, the demo website, with a credential and a hook of its own")
        await _until_answers(f"{demo.origin}/", demo.proxy.root_certificate)
        up("Caddy with local HTTPS")
    except TimeoutError as error:
        _say(terminal, f"  ✗ {error}\nSee {demo.data_dir / 'demo.log'} for the reason.")
        return 1
    if chromium:
        # Imported late: it needs playwright, which only the walk does.
        from . import check

        story = check.Story(origin=demo.origin, chromium=chromium, command=COMMAND, environment=demo.settings())
        return await check.walk(story, lambda line: _say(terminal, line))
    members = " or ".join(f"{member.email} with “{member.password}”" for member in MEMBERS)
    _say(terminal, f"\nOpen {demo.origin} and sign in as {members}.")
    make_key = f"LATCHSTRING_DATA_DIR={demo.data_dir} latchstring service-keys add me --reports-only"
    _say(terminal, f"What people look at: {demo.origin}/dashboard, with a key that you make by\n  {make_key}")
    _say(terminal, "Your browser warns once: the certificate comes from an authority made for this demo alone.")
    _say(terminal, "A private window or another browser makes a second device. Ctrl-C stops everything.")
    return None


async def _until_answers(url: str, root: Path | None = None) -> None:
    clock = SystemClock()
    deadline_ns = clock.boot_ns() + round(_START_SECONDS * 1e9)
    while not await _answers(url, root):
        if clock.boot_ns() > deadline_ns:
            raise TimeoutError(f"{url} did not answer within {_START_SECONDS:.0f} s")
        await asyncio.sleep(_POLL_SECONDS)


async def _answers(url: str, root: Path | None = None) -> bool:
    """Whether a GET is answered 200, over HTTPS only by a certificate of the authority `root`."""
    try:
        verify = True if root is None else ssl.create_default_context(cafile=root)
        async with httpx.AsyncClient(verify=verify, trust_env=False, timeout=5) as client:
            return (await client.get(url)).status_code == httpx.codes.OK
    except (httpx.HTTPError, OSError):
        return False


def _require_free_ports(demo: Demo) -> None:
    """Raise CannotListen unless proxy, gateway and website can listen."""
    for port in range(demo.port, demo.port + 3):
        try:
            with listening_socket(f"127.0.0.1:{port}"):
                pass
        except CannotListen:
            raise CannotListen(
                f"port {port} is in use (the demo needs {demo.port} to {demo.port + 2}): "
                "stop what uses it, or choose others with --port"
            ) from None


@contextlib.contextmanager
def _own_terminal(log: Path) -> Iterator[TextIO]:
    """The terminal for us alone: what the children write goes to `log` until the end."""
    sys.stdout.flush()
    kept = [os.dup(1), os.dup(2)]
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        with os.fdopen(os.dup(kept[0]), "w", encoding="utf-8") as terminal:
            yield terminal
    finally:
        for number, descriptor in enumerate(kept, start=1):
            os.dup2(descriptor, number)
            os.close(descriptor)


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-5:])


def _say(terminal: TextIO, line: str) -> None:
    terminal.write(line + "\n")
    terminal.flush()
