"""Data of places for tests: the registries' statistics of a few networks, and a server that publishes files by TLS."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from harness.proxies import Certificate

#: In the registries' format; it knows what every such file has to.
STATISTICS = """\
2|nro|20261124|10|19821213|20261124|+0000
nro|*|asn|*|1|summary
nro|*|ipv4|*|8|summary
nro|*|ipv6|*|1|summary
# a remark
ripencc|NL|asn|3333|1|19930901|allocated|8d1a|e-stats
ripencc|NL|ipv4|193.0.0.0|4096|19930901|allocated|8d1a|e-stats
arin|US|ipv4|8.8.8.0|256|19921201|allocated|7a1b|e-stats
apnic|AU|ipv4|202.12.29.0|256|19940101|assigned|A917|e-stats
lacnic|UY|ipv4|200.3.12.0|1024|20020930|allocated|5678|e-stats
afrinic|ZA|ipv4|196.25.0.0|65536|19940101|allocated|F365|e-stats
ripencc|SE|ipv4|198.18.0.0|768|20000101|assigned|1234|e-stats
apnic||ipv4|203.0.113.0|256||reserved||e-stats
iana|ZZ|ipv4|240.0.0.0|268435456||reserved|ietf|iana
ripencc|NL|ipv6|2001:67c:2e8::|48|20060101|assigned|8d1a|e-stats
"""


@contextmanager
def published(certificate: Certificate, files: dict[str, bytes | str]) -> Iterator[str]:
    """A server on this host; gives its URL. A file that is a text is a redirect to it.

    A path that ends in "half" is announced whole and sent half.
    """

    class Handler(BaseHTTPRequestHandler):
        """Answers GET."""

        known: ClassVar = files

        def do_GET(self) -> None:
            """One file."""
            found = self.known.get(self.path)
            if isinstance(found, str):
                self.send_response(302)
                self.send_header("location", found)
                self.end_headers()
            elif found is None:
                self.send_error(404)
            else:
                self.send_response(200)
                self.send_header("content-length", str(len(found)))
                self.end_headers()
                self.wfile.write(found[: len(found) // 2] if self.path.endswith("half") else found)

        def log_request(self, code: object = "-", size: object = "-") -> None:
            """Say nothing."""

        def log_error(self, *args: object) -> None:
            """Say nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.path, certificate.key_path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"https://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def statistics_file(folder: Path) -> Path:
    """The statistics in a file."""
    path = folder / "statistics"
    path.write_text(STATISTICS)
    return path
