"""The columns of the warehouse: name, type, whether a value is required, and what it means. The only place that says.

A row is four tuples, one after the other: the record's, the event's, the sender's and the verdict's. Columns are added,
never changed or removed: files from before have no such column, and readers take it as NULL (union by name).
"""

from typing import Any, Final, NamedTuple, TypeAlias

import pyarrow as pa


class Column(NamedTuple):
    """One column."""

    name: str
    type: pa.DataType
    meaning: str
    required: bool = False


_INSTANT: Final = pa.timestamp("ms", tz="UTC")
_TEXT: Final = pa.string()

RECORD: Final = (
    Column("received_at", _INSTANT, "when the hit came in, by our clock", required=True),
    Column("offset", pa.int64(), "where its record began in its segment", required=True),
    Column("unit", pa.int32(), "which event of the hit, from 0", required=True),
    Column("record_id", pa.binary(16), "the record's own id; with `unit` it names a row for ever", required=True),
    Column("source", _TEXT, "the wire it came by: pixel, batch, snowplow, …", required=True),
    Column("hit_id", _TEXT, "the request id a trusted proxy gave the hit"),
)

EVENT: Final = (
    Column("type", _TEXT, "what happened: view, click, …", required=True),
    Column("page", _TEXT, "path of the page, percent-decoded where it can be read"),
    Column("host", _TEXT, "host of the page, if told"),
    Column("event_id", _TEXT, "the tracker's own id of the event; a retry carries the same"),
    Column("occurred_at", _INSTANT, "when it happened, by the sender's clock"),
    Column("properties", _TEXT, "everything else it said, a JSON object"),
    Column("fingerprint", pa.binary(16), "hash of all it said but its id", required=True),
    Column("sent_at", _INSTANT, "when the tracker sent it, by the sender's clock"),
    Column("app", _TEXT, "id of the site or app, as the tracker states it"),
    Column("platform", _TEXT, "web, mob, tv, cnsl, srv, …, as the tracker states it"),
    Column("session", _TEXT, "the tracker's session id; only with consent"),
    Column("user", _TEXT, "the website's own pseudonym of the account; only with consent"),
    Column("campaign", _TEXT, "the campaign it belongs to"),
    Column("referrer_host", _TEXT, "host of the page that led here"),
    Column("link", _TEXT, "target of a click"),
    Column("media", _TEXT, "what is being watched: id of the title"),
    Column("play_state", _TEXT, "playing, paused, …"),
    Column("position_ms", pa.int64(), "position in the title, milliseconds"),
    Column("playback_rate", pa.float64(), "speed of playback, 1 is normal"),
    Column("ping", pa.int64(), "running number of a heartbeat within its viewing, from 0"),
    Column("viewing", _TEXT, "random id of one viewing of one title; names nobody"),
    Column("message", _TEXT, "the mailing that a link or an open pixel stood in"),
    Column("recipient", _TEXT, "keyed hash of whom the mail went to, if the website said so when it made the link"),
    Column("fetched_by", _TEXT, "of what stands in a mail: direct, privacy_proxy, scanner or unknown"),
    Column("rule", _TEXT, "the rule that decided `fetched_by`"),
    Column("scheme", _TEXT, "of a page in a packaged app: file, capacitor, widget, …; NULL on the web"),
    Column("page_raw", _TEXT, "the path as it was sent, if `page` is another spelling of it"),
    Column("dropped", _TEXT, "what could not be read and was left out: codes such as bad_referrer, a blank between"),
)

SENDER: Final = (
    Column(
        "device_kind",
        _TEXT,
        "one of docs/recognition.md: tv, console, stick, set_top, phone, tablet, computer, speaker, car, bot, …",
        required=True,
    ),
    Column("os", _TEXT, "family of the operating system, empty if unknown", required=True),
    Column("client", _TEXT, "family of the browser or app, empty if unknown", required=True),
    Column("language", _TEXT, "first language asked for, empty if unknown", required=True),
    Column("address_prefix", _TEXT, "network of the address: /24 or /48, never more", required=True),
    Column("gpc", pa.bool_(), "the sender asked not to be shared or sold (Sec-GPC: 1)", required=True),
    Column("dnt", pa.bool_(), "the sender asked not to be tracked (DNT: 1)", required=True),
    Column("country", _TEXT, "country of the address, ISO 3166-1 alpha-2"),
    Column("asn", pa.int64(), "number of the network that announces the address"),
    Column("provider", _TEXT, "name of that network"),
)

VERDICT: Final = (
    Column("machine", _TEXT, "NULL for a person, else bot, prefetch, prerender, head, privacy_proxy or scanner"),
    Column("visitor", _TEXT, "pseudonym of the visitor"),
    Column("visitor_kind", _TEXT, "what kind of pseudonym: cookie, tracker, daily or none"),
    Column("consent", _TEXT, "consent to analytics: granted, denied or unknown"),
    Column("consent_source", _TEXT, "who said so: choices, banner, gpc or dnt; NULL if unknown"),
    Column("sharing", pa.bool_(), "may be part of what partners are told; NULL if nobody said"),
    Column("tracker_visitor", _TEXT, "keyed hash of the tracker's own pseudonym; only with consent"),
    Column("conflict", pa.bool_(), "another event came before under the same event_id and says something else"),
    Column("late", pa.bool_(), "received over an hour after it happened; NULL if that was not told"),
    Column(
        "happened_at", _INSTANT, "when it happened, by our clock, as far as the tracker tells how far off its own is"
    ),
)

#: Where in a row its place in the journal stands.
OFFSET, UNIT, RECORD_ID, SOURCE = 1, 2, 3, 4
#: The values of one event in the order of COLUMNS; times are milliseconds since the epoch.
Row: TypeAlias = tuple[Any, ...]

COLUMNS: Final = (*RECORD, *EVENT, *SENDER, *VERDICT)
SCHEMA: Final = pa.schema([pa.field(column.name, column.type, nullable=not column.required) for column in COLUMNS])
