"""ClickHouse over its HTTP interface: inserts and one deletion, each of which may be repeated.

Each carries a deduplication token: an insert whose answer was lost is sent again under the same token, and the table
(`deploy/clickhouse/schema.sql`) drops it if it had arrived.
"""

from collections.abc import Iterable
from typing import Final

import httpx

#: An insert of some hundred megabytes may take a while; a server that says nothing for so long is away.
_ANSWER_SECONDS: Final = 120.0
_CONNECT_SECONDS: Final = 5.0
#: As much of the server's words as a log needs.
_QUOTE_CHARS: Final = 300


class SinkAwayError(Exception):
    """The insert was not confirmed: repeat it later, under the same token."""


class ClickHouse:
    """One database at `url`: http(s)://[user:password@]host:port/database. Neither user nor password is ever logged."""

    def __init__(self, url: str) -> None:
        parsed = httpx.URL(url)
        self._database = parsed.path.strip("/")
        headers = {"X-ClickHouse-User": parsed.username, "X-ClickHouse-Key": parsed.password}
        self._client = httpx.Client(
            base_url=parsed.copy_with(username=None, password=None, path="/"),
            headers={name: value for name, value in headers.items() if value},
            timeout=httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
            # No proxy but one that the URL names is on the way (docs/settings.md, "Proxy variables").
            trust_env=False,
        )

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def insert(self, table: str, form: str, data: bytes | Iterable[bytes], *, token: str) -> None:
        """Insert `data` (in the format `form`) and wait until it is in. Raises SinkAwayError if that is not sure."""
        options = {
            "database": self._database,
            "query": f"INSERT INTO {table} FORMAT {form}",
            "insert_deduplication_token": token,
            # Answer when it is done: else the status is sent before it can fail.
            "wait_end_of_query": "1",
            "async_insert": "0",
        }
        self._post(table, options, data)

    def delete_gone(self) -> None:
        """Take the events out of the files whose ids are in `gone`, on every replica; waits until that is done.

        May be repeated. Raises SinkAwayError if it is not sure.
        """
        query = "ALTER TABLE events DELETE WHERE (record_id, unit) IN (SELECT record_id, unit FROM gone)"
        options = {"database": self._database, "query": query, "mutations_sync": "2", "wait_end_of_query": "1"}
        self._post("events", options, b"")

    def _post(self, table: str, options: dict[str, str], data: bytes | Iterable[bytes]) -> None:
        try:
            answer = self._client.post("/", params=options, content=data)
        except httpx.HTTPError as error:
            raise SinkAwayError(f"{table}: {type(error).__name__}") from None
        if answer.status_code != httpx.codes.OK:
            raise SinkAwayError(f"{table}: {answer.status_code}, {answer.text[:_QUOTE_CHARS]}")
