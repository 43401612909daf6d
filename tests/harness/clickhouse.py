"""A real ClickHouse behind its HTTP interface: the engine of PyPI's chdb-core in a process of its own.

    python -m harness.clickhouse PORT FOLDER

serves what the sender needs: POST with `query` and `insert_deduplication_token`, a body that is inserted, and the
answers of the real engine; GET with `query` for tests. `FOLDER/mood` says what goes wrong on the way: `refuse` every
request, or `lose` the answer of every third insert after it was carried out.
"""

import contextlib
import http.server
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx

from harness.waiting import wait_until

SCHEMA = Path(__file__).parents[2] / "deploy" / "clickhouse" / "schema.sql"
_INSERT = re.compile(r"INSERT INTO (\w+) FORMAT (\w+)")
#: What the server's own input formats know by the table, and a file has to be told.
_ROW_BINARY = {"gone": "record_id FixedString(16), unit Int32"}


@dataclass(frozen=True)
class Running:
    """A server that runs."""

    url: str
    folder: Path

    def ask(self, query: str) -> list[list[str]]:
        """The rows of a query, as text."""
        answer = httpx.get(self.url, params={"query": query}, timeout=30)
        assert answer.status_code == 200, answer.text
        return [line.split("\t") for line in answer.text.splitlines()]

    def mood(self, mood: str) -> None:
        """From now on `refuse` or `lose`, or nothing of it (the empty string)."""
        (self.folder / "mood").write_text(mood)


@contextlib.contextmanager
def clickhouse(folder: Path) -> Iterator[Running]:
    """A server with the schema of the recipe in the database `latchstring`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mood").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.clickhouse", str(port), str(folder)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.DEVNULL,
    )
    running = Running(f"http://writer:secret@127.0.0.1:{port}/latchstring", folder)
    try:
        wait_until(lambda: _answers(port), "ClickHouse answers")
        yield running
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", params={"query": "SELECT 1"}, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    session: Any
    folder: Path
    inserts = 0
    one_at_a_time = threading.Lock()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer a query."""
        if (self.folder / "mood").read_text() == "refuse" and "system.mutations" in self._asked()["query"]:
            self._say(503, b"Code: 210. DB::NetException: not today")
            return
        self._answer(self._asked()["query"], settings="")

    def do_POST(self) -> None:
        """Insert a body, or delete."""
        asked, body = self._asked(), self._body()
        mood = (self.folder / "mood").read_text()
        if mood == "refuse" or self.headers["X-ClickHouse-Key"] != "secret":
            self._say(503 if mood == "refuse" else 403, b"Code: 210. DB::NetException: not today")
            return
        if asked["query"].startswith("ALTER TABLE events DELETE "):
            with (self.folder / "deletions").open("a") as deletions:
                deletions.write("1")
            self._answer(asked["query"], f" SETTINGS mutations_sync = {asked['mutations_sync']}")
            return
        match = _INSERT.fullmatch(asked["query"])
        assert match is not None, asked["query"]
        with tempfile.NamedTemporaryFile(dir=self.folder) as file:
            file.write(body)
            file.flush()
            structure = f", '{_ROW_BINARY[match[1]]}'" if match[2] == "RowBinary" else ""
            columns = self._columns_in(file.name, match[2], structure)
            query = (
                f"INSERT INTO {match[1]} ({columns}) SELECT {columns} FROM file('{file.name}', {match[2]}{structure})"
            )
            _Handler.inserts += 1
            lost = mood == "lose" and _Handler.inserts % 3 == 1
            self._answer(query, f" SETTINGS insert_deduplication_token = '{asked['insert_deduplication_token']}'", lost)

    def _columns_in(self, name: str, form: str, structure: str) -> str:
        told = self._query(f"DESCRIBE file('{name}', {form}{structure})")
        return ", ".join(f"`{line.split(chr(9))[0]}`" for line in told.splitlines())

    def _query(self, query: str) -> str:
        with self.one_at_a_time:
            return str(self.session.query(query, "TabSeparated"))

    def _asked(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.path.partition("?")[2]).items()}

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"]))
        body = b""
        while length := int(self.rfile.readline(), 16):
            body += self.rfile.read(length)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, query: str, settings: str, lost: bool = False) -> None:
        try:
            said = self._query(query + settings).encode()
        except Exception as error:
            self._say(500, str(error).encode())
            return
        if lost:
            # The connection ends without a word: the client cannot know.
            self.close_connection = True
            return
        self._say(200, said)

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def statements() -> list[str]:
    """The statements of the recipe's schema."""
    return [statement for statement in SCHEMA.read_text().split(";\n") if statement.strip()]


def main() -> None:
    """See the module."""
    from chdb import session  # a second to load, and half a gigabyte of library

    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    _Handler.folder = folder
    _Handler.session = session.Session(str(folder / "engine"))  # type: ignore[no-untyped-call]
    _Handler.session.query("CREATE DATABASE IF NOT EXISTS latchstring")
    _Handler.session.query("USE latchstring")
    for statement in statements():
        _Handler.session.query(statement)
    http.server.ThreadingHTTPServer(("127.0.0.1", port), _Handler).serve_forever()


if __name__ == "__main__":
    main()
