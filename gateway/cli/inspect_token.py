"""`latchstring inspect`: what a token is, which key signed it, what it says, and whether it opens."""

import sys
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from msgspec import structs
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..clock import SystemClock
from ..ids import to_text
from ..tokens.codec import Codec, Reason, Refused
from ..tokens.keyring import KeyFileError, KeyRing
from ..tokens.purposes import (
    AccessToken,
    BoundAccessToken,
    BoundRefreshToken,
    Choices,
    DashboardVisit,
    DeviceToken,
    Lease,
    MailLink,
    OpenPixel,
    OperatorCall,
    Payload,
    ProofNonce,
    RefreshToken,
    ReturnTo,
    VisitorToken,
    WaitingSignIn,
)
from .keys import DEFAULT_DATA_DIR, DataDir, KeysFile, key_file
from .words import give_up, relative, span

_STDIN: Final = "-"
_NAMES: Final[dict[type[Payload], str]] = {
    Lease: "session lease (cookie __Host-session)",
    AccessToken: "access token of a TV",
    RefreshToken: "refresh token of a TV",
    BoundAccessToken: "access token of a TV, bound to the key with this thumbprint (DPoP)",
    BoundRefreshToken: "refresh token of a TV, bound to the key with this thumbprint (DPoP)",
    ProofNonce: "nonce for the proof of a key (DPoP-Nonce)",
    DeviceToken: "device token (cookie __Host-device)",
    ReturnTo: "return target",
    WaitingSignIn: "sign-in that waits for room (cookie __Host-waiting)",
    Choices: "privacy choices (cookie __Host-choices)",
    VisitorToken: "visitor (cookie __Host-visitor)",
    DashboardVisit: "visit to the dashboard (cookie __Host-dashboard)",
    OperatorCall: "call of the command line to a worker",
    MailLink: "link of a mail (/go/…)",
    OpenPixel: "open pixel of a mail (/go/….gif)",
}
_WHY: Final = {
    Reason.MALFORMED: "it is not of the form v1.<key id>.<payload>.<signature>, or is longer than 1024 bytes",
    Reason.NOT_CANONICAL: "the signature is right but spelled another way (padding, another last character): "
    "someone or something altered it on its way",
    Reason.UNKNOWN_KEY: "it names a key that this key file does not have: another deployment's token, or an old file",
    Reason.RETIRED_KEY: "its key is retired: the holder must sign in again",
    Reason.BAD_SIGNATURE: "the signature fits no purpose: it was altered, or another deployment's key has this id",
    Reason.WRONG_PAYLOAD: "the signature is right but the contents are not what its purpose allows",
}


def register(app: typer.Typer) -> None:
    """Add `inspect` to the command."""
    app.command("inspect")(inspect_token)


def inspect_token(
    token: Annotated[str, typer.Argument(help='The token, or "-" to read it from standard input.')],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    keys_file: KeysFile = None,
) -> None:
    """Say what a token is and whether it opens; status 1 if it is refused.

    A token on the command line is visible to every user of the machine (`ps`) and stays in the shell's history:
    prefer `latchstring inspect -` and paste it. A whole cookie, `name=value`, is taken too. Whether the session
    was ended since is not asked: that is the store's knowledge.
    """
    try:
        ring = KeyRing.load(key_file(keys_file, data_dir), SystemClock())
    except KeyFileError as error:
        give_up(error)
    # Bytes that are no UTF-8 reach the codec as they came; it refuses them.
    raw = sys.stdin.buffer.read(1 << 16) if token == _STDIN else token.encode("utf-8", "surrogateescape")
    raw = raw.rstrip(b"\r\n")
    if raw.startswith(b"__Host-") and b"=" in raw:
        raw = raw.split(b"=", 1)[1]
    content, kind = _open_as_any(Codec(ring), raw)
    if isinstance(content, Refused):
        _print_refusal(content, kind, raw)
        raise typer.Exit(1)
    _print_contents(content, raw)


def _open_as_any(codec: Codec, token: bytes) -> tuple[Payload | Refused, type[Payload] | None]:
    """The contents, or the most telling refusal and the purpose it belongs to (None if it is every purpose's)."""
    for kind in _NAMES:
        content = codec.open(token, kind)
        if not isinstance(content, Refused):
            return content, kind
        if content.reason in {Reason.NOT_CANONICAL, Reason.WRONG_PAYLOAD}:
            return content, kind
    return content, None


def _print_refusal(refused: Refused, kind: type[Payload] | None, token: bytes) -> None:
    print(f"refused ({refused.reason.value}): {_WHY[refused.reason]}")
    if kind is not None:
        print(f"purpose: {_NAMES[kind]}")
    if refused.reason is Reason.MALFORMED and token.startswith(b"eyJ"):
        print("it looks like a JWT: passports are verified with /.well-known/jwks.json, not here")
    elif refused.reason is not Reason.MALFORMED:
        print(f"key: {token.split(b'.')[1].decode('ascii')}")


def _print_contents(content: Payload, token: bytes) -> None:
    now_ms = SystemClock().wall_ms()
    table = Table(box=SIMPLE, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("purpose", _NAMES[type(content)])
    table.add_row("key", token.split(b".")[1].decode("ascii"))
    table.add_row("length", f"{len(token)} bytes")
    for name, value in structs.asdict(content).items():
        table.add_row(name.removesuffix("_ms"), escape(_in_words(name, value, now_ms)))
    Console().print(table)
    print(_verdict(content, now_ms))


def _in_words(name: str, value: object, now_ms: int) -> str:
    if isinstance(value, bytes):
        return to_text(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and name.endswith("_ms"):
        return f"{_calendar(value)} ({relative(value, now_ms)})"
    return str(value)


def _calendar(at_ms: int) -> str:
    try:
        return f"{datetime.fromtimestamp(at_ms / 1_000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError):
        return f"{at_ms} ms"


def _verdict(content: Payload, now_ms: int) -> str:
    if not isinstance(content, Lease) or isinstance(content, RefreshToken):
        # A refresh token is good for as long as its sign-in is.
        return "opens: the signature is good"
    if content.issued_at_ms > now_ms + 1_000:
        ahead = span(content.issued_at_ms - now_ms)
        return f"opens: the signature is good, but it is dated {ahead} ahead of this machine's clock: check the clocks"
    when = relative(content.lease_end_ms, now_ms)
    if content.lease_end_ms > now_ms:
        return f"opens: the signature is good and the lease ends {when}"
    then = "the next request asks the store to renew it"
    if isinstance(content, AccessToken):
        then = "the app exchanges its refresh token for another"
    return f"opens: the signature is good, but the lease ended {when}: {then}"
