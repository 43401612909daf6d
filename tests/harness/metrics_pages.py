"""Pages of metrics as a node would show them with one fault: a healthy node's page, with some series changed."""

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Grows:
    """A series that stands at 0 and then grows by so much a second."""

    a_second: float


def page(healthy: str, changes: Mapping[str, "float | Grows"], elapsed_seconds: float) -> str:
    """`healthy` with the series of `changes` (as they stand in a page, labels included) replaced, or added."""
    lines = [line for line in healthy.splitlines() if not any(line.startswith(f"{series} ") for series in changes)]
    for series, value in changes.items():
        # No growth in the first moments: it is seen against something.
        grown = value.a_second * max(elapsed_seconds - 2, 0) if isinstance(value, Grows) else value
        lines.append(f"{series} {grown}")
    return "\n".join([*lines, ""])


@contextlib.contextmanager
def pages(healthy: str, faults: Mapping[str, Mapping[str, "float | Grows"]]) -> Iterator[dict[str, str]]:
    """A server a fault; gives their addresses."""
    servers: dict[str, ThreadingHTTPServer] = {}
    began = time.monotonic()

    def handler(changes: Mapping[str, "float | Grows"]) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = page(healthy, changes, time.monotonic() - began).encode()
                self.send_response(200)
                self.send_header("content-type", "text/plain; version=0.0.4")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *_args: object) -> None:  # noqa: A002 - the base class's name
                pass

        return Handler

    try:
        for name, changes in faults.items():
            servers[name] = ThreadingHTTPServer(("127.0.0.1", 0), handler(changes))
            threading.Thread(target=servers[name].serve_forever, daemon=True).start()
        yield {name: f"127.0.0.1:{server.server_address[1]}" for name, server in servers.items()}
    finally:
        for server in servers.values():
            server.shutdown()
            server.server_close()
