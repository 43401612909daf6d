"""One line of an import or export: a JSON object, checked in full before anything is done with it.

    {"account": "ada", "session": "5ezd…", "authenticated_at_ms": 1800000000000, "remember": true, "device": "phone-7"}
    {"account": "ada", "device": "phone-7", "first_seen_ms": 1790000000000, "last_seen_ms": 1800000000000}

The fields are described in docs/moving-in.md.
"""

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from ..devices.place import prefix_of
from ..devices.registry import checked_name
from ..errors import BadRequest
from ..ids import account_problem
from ..recognition import kinds
from ..recognition.describe import UNKNOWN, describe, label_of
from ..revocation.fence import MAX_CLOCK_DIFFERENCE_MS
from ..sessions.policy import SessionPolicy
from ..tokens.purposes import AccountText, Count
from .references import References
from .vouching import MethodText, ReferenceText

Kind: TypeAlias = Literal["sessions", "devices"]
DeviceKind: TypeAlias = kinds.Kind | Literal[""]

MAX_LINE_BYTES: Final = 65_536
_MAX_REASON_CHARS: Final = 200

Words = Annotated[str, Meta(max_length=120, pattern=r"\A[^\x00-\x1f\x7f]*\Z")]


class Described(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is known of a device; `user_agent` fills what is left out, `address` is kept as its network prefix only."""

    user_agent: Annotated[str, Meta(max_length=4_096)] = ""
    address: Annotated[str, Meta(max_length=64)] = ""
    kind: DeviceKind = ""
    model: Words = ""
    os: Words = ""
    client: Words = ""
    place: Annotated[str, Meta(max_length=64)] = ""


class DeviceLine(Described, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A device as it stands on the devices page. Key: account and device."""

    account: AccountText
    device: ReferenceText
    first_seen_ms: Count
    last_seen_ms: Count
    name: Annotated[str, Meta(max_length=1_000)] = ""


class SessionLine(Described, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A session whose first cookie the bridge will hand out. Key: account and session."""

    account: AccountText
    session: ReferenceText
    authenticated_at_ms: Count
    device: ReferenceText | None = None
    created_at_ms: Count | None = None
    last_seen_ms: Count | None = None
    remember: bool = False
    method: MethodText = "password"


class Row(Struct, frozen=True):
    """What admit.lua takes: ids are ours, instants milliseconds; `session` is blank for a device."""

    account: str
    device: str
    name: str
    kind: str
    model: str
    os: str
    client: str
    place: str
    named_by_owner: str = "0"
    session: str = ""
    first_ms: int = 0
    last_ms: int = 0
    authenticated_ms: int = 0
    remembered: str = "0"
    method: str = ""


class BadLine(Exception):
    """A line that cannot be taken in; its text says why and repeats nothing of the line but a field's name."""


_DECODERS: Final[dict[Kind, msgspec.json.Decoder[SessionLine] | msgspec.json.Decoder[DeviceLine]]] = {
    "sessions": msgspec.json.Decoder(SessionLine),
    "devices": msgspec.json.Decoder(DeviceLine),
}


def decode(kind: Kind, raw: bytes) -> SessionLine | DeviceLine:
    """The line as its struct. Raises BadLine."""
    if len(raw) > MAX_LINE_BYTES:
        raise BadLine(f"expected at most {MAX_LINE_BYTES} bytes")
    try:
        line = _DECODERS[kind].decode(raw)
    except msgspec.ValidationError as error:
        raise BadLine(str(error)[:_MAX_REASON_CHARS]) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadLine("expected a JSON object") from None
    problem = account_problem(line.account)
    if problem:
        raise BadLine(f"`account`: {problem}")
    return line


class Judge:
    """Turns lines into rows, by the limits of this deployment."""

    def __init__(self, references: References, policy: SessionPolicy) -> None:
        self._references = references
        self._policy = policy

    def row(self, line: SessionLine | DeviceLine, now_ms: int) -> Row:
        """What goes into the store. Raises BadLine (instants that cannot be, a session that is over, a bad name)."""
        return self._session(line, now_ms) if isinstance(line, SessionLine) else self._device(line, now_ms)

    def _device(self, line: DeviceLine, now_ms: int) -> Row:
        _in_order(now_ms, first_seen_ms=line.first_seen_ms, last_seen_ms=line.last_seen_ms)
        row = _described(line, line.account, self._id("device", line.account, line.device))
        if line.name:
            row = replace(row, name=_name(line.name), named_by_owner="1")
        return replace(row, first_ms=line.first_seen_ms, last_ms=line.last_seen_ms)

    def _session(self, line: SessionLine, now_ms: int) -> Row:
        checked = line.authenticated_at_ms
        created = checked if line.created_at_ms is None else line.created_at_ms
        last = max(created, checked) if line.last_seen_ms is None else line.last_seen_ms
        _in_order(now_ms, authenticated_at_ms=checked, last_seen_ms=last)
        _in_order(now_ms, created_at_ms=created, last_seen_ms=last)
        policy = self._policy
        over_ms = last + policy.remember_idle_seconds * 1000
        if not line.remember:
            over_ms = min(last + policy.session_idle_seconds * 1000, checked + policy.session_absolute_seconds * 1000)
        if over_ms <= now_ms:
            raise BadLine("this session is over by the limits of this deployment")
        session = self._id("session", line.account, line.session)
        # A session of which no device is known is a device of its own.
        device = self._id("device", line.account, line.device or f"of-session:{session}")
        return replace(
            _described(line, line.account, device),
            session=session,
            first_ms=created,
            last_ms=last,
            authenticated_ms=checked,
            remembered=str(int(line.remember)),
            method=line.method,
        )

    def _id(self, kind: Literal["session", "device"], account: str, reference: str) -> str:
        try:
            return self._references.id_of(kind, account, reference)
        except ValueError as wrong:
            raise BadLine(f"`{kind}`: {wrong}") from None


def _described(line: Described, account: str, device: str) -> Row:
    told = describe(line.user_agent) if line.user_agent else UNKNOWN
    kind, model = line.kind or told.kind, line.model or told.make
    os, client = line.os or told.os, line.client or told.client
    return Row(
        account=account,
        device=device,
        name=label_of(kind, model, os, client),
        kind=kind,
        model=model,
        os=os,
        client=client,
        place=_place(line),
    )


def _in_order(now_ms: int, **instants: int) -> None:
    (earlier, first), (later, last) = instants.items()
    if first > last:
        raise BadLine(f"expected `{earlier}` to be no later than `{later}`")
    if last > now_ms + MAX_CLOCK_DIFFERENCE_MS:
        raise BadLine(f"`{later}` lies in the future")


def _name(name: str) -> str:
    try:
        return checked_name(name)
    except BadRequest as wrong:
        raise BadLine(f"`name`: {wrong.detail}") from None


def _place(line: Described) -> str:
    if line.place:
        address, _, bits = line.place.partition("/")
        if not bits or prefix_of(address) != line.place:
            raise BadLine("`place`: expected the /24 or /48 network of an address")
        return line.place
    return prefix_of(line.address)
