"""ClickHouse over its HTTP interface: inserts, each of which may be repeated, and deletions.

Each carries a deduplication token: an insert whose answer was lost is sent again under the same token, and the table
(`deploy/clickhouse/schema.sql`) drops it if it had arrived.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

import httpx

#: An insert of some hundred megabytes may take a while; a server that says nothing for so long is away.
_ANSWER_SECONDS: Final = 120.0
_CONNECT_SECONDS: Final = 5.0
#: As much of the server's words as a log needs.
_QUOTE_CHARS: Final = 300


_DELETION: Final = """
SELECT is_done, latest_fail_reason FROM system.mutations
WHERE database = '{database}' AND table = 'events' AND position(command, '{token}') > 0
ORDER BY is_done DESC LIMIT 1 FORMAT TabSeparated
"""


class Deletion(NamedTuple):
    """How far a deletion is, and what its last attempt failed of."""

    is_done: bool
    failure: str


class SinkAwayError(Exception):
    """The insert was not confirmed: repeat it later, under the same token."""


class SinkRefusedError(SinkAwayError):
    """The server has answered that it does not take this: either this alone, or anything."""


#: Statuses of ClickHouse's answers, and of proxies', that may be about the data of one insert; all others are about
#: the server, the user or the database.
_REFUSALS: Final = frozenset({400, 413, 422, 500})


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
        """Insert `data` (in the format `form`) and wait until it is in. Raises SinkAwayError if that is not sure.

        That is a SinkRefusedError if the server has said no in a way that may be about this data.
        """
        options = {
            "database": self._database,
            "query": f"INSERT INTO {table} FORMAT {form}",
            "insert_deduplication_token": token,
            # Answer when it is done: else the status is sent before it can fail.
            "wait_end_of_query": "1",
            "async_insert": "0",
        }
        self._post(table, options, data)

    def delete_gone(self, token: str) -> None:
        """Have the events deleted whose ids are in `gone`; returns when the server has taken it down, not when it is
        done: `deletion` says how far it is. `token` are letters and digits. Raises SinkAwayError if it is not sure.
        """
        wanted = "(record_id, unit) IN (SELECT record_id, unit FROM gone)"
        query = f"ALTER TABLE events DELETE WHERE {wanted} AND '{_marked(token)}' != ''"
        options = {"database": self._database, "query": query, "mutations_sync": "0", "wait_end_of_query": "1"}
        self._post("events", options, b"")

    def deletion(self, token: str) -> Deletion | None:
        """How far the deletion of that token is, on the replica that answers; None if there is none.

        Raises SinkAwayError.
        """
        query = _DELETION.format(database=self._database, token=_marked(token))
        options = {"database": self._database, "query": query, "wait_end_of_query": "1"}
        try:
            answer = self._client.get("/", params=options)
        except httpx.HTTPError as error:
            raise SinkAwayError(f"mutations: {type(error).__name__}") from None
        if answer.status_code != httpx.codes.OK:
            raise SinkAwayError(f"mutations: {answer.status_code}, {answer.text[:_QUOTE_CHARS]}")
        is_done, _, failure = answer.text.rstrip("\n").partition("\t")
        return Deletion(is_done=is_done == "1", failure=failure[:_QUOTE_CHARS]) if is_done else None

    def _post(self, table: str, options: dict[str, str], data: bytes | Iterable[bytes]) -> None:
        try:
            answer = self._client.post("/", params=options, content=data)
        except httpx.HTTPError as error:
            raise SinkAwayError(f"{table}: {type(error).__name__}") from None
        if answer.status_code != httpx.codes.OK:
            said = f"{table}: {answer.status_code}, {answer.text[:_QUOTE_CHARS]}"
            raise SinkRefusedError(said) if answer.status_code in _REFUSALS else SinkAwayError(said)


def _marked(token: str) -> str:
    return f"latchstring-{token}"
