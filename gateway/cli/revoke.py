"""`latchstring revoke` and `latchstring accounts`: forgetting devices, sessions, accounts and everybody; receipts.

A running worker of this machine is asked over its own door, by a call that only who holds the key ring can make. If
none answers, this process takes a worker's place for a moment: it registers, follows the store, revokes, waits for
the others, and says goodbye.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

import httpx
import typer

from .. import logs, settings, wiring
from ..account_paths import path_of
from ..api_requests import checked_account
from ..errors import BadRequest, Conflict, EdgeError, NotFound, StoreAway
from ..ids import is_id, new_id
from ..pages.language import english
from ..pages.words import clock_time, count, span
from ..revocation.enable import enable
from ..revocation.receipt import Receipt
from ..revocation.revoke import Target
from ..running import Running
from ..settings import Settings, SettingsError
from ..store.client import Store
from ..tokens.keyring import KeyFileError
from .ask_worker import ask_worker
from .words import give_up

#: Longer than the longest fence and the round over 256 partitions.
_PATIENCE_SECONDS: Final = 90.0
_PARTIAL: Final = 3
#: What a partial receipt says of a worker that is missing.
_WHY: Final = {
    "silent": "no answer yet: {}",
    "cache": "its proxy may repeat an older answer: {}",
    "fail_over": "the store was restarted, and may have lost the name of a worker",
}
#: One id in 64 begins with a dash.
_IDS_LIKE_OPTIONS: Final = {"ignore_unknown_options": True}

AccountName = Annotated[str, typer.Argument(metavar="ACCOUNT", help="As the website calls it.")]
AsJson = Annotated[bool, typer.Option("--json", help="The receipt as one JSON object.")]
RepeatKey = Annotated[str, typer.Option("--repeat-key", help="Repeat an act that was not confirmed, by its key.")]

revoke_app = typer.Typer(
    help="Sign out a device, a session, an account or everybody. Exit codes: 0 complete, 1 not confirmed, 3 partial."
)
accounts_app = typer.Typer(no_args_is_help=True, help="Disable and enable accounts.")


@dataclass(frozen=True, slots=True)
class Act:
    """Something to revoke: what a worker is asked, what is done without one, and whose end it is, in words."""

    method: str
    path: str
    alone: Callable[[wiring.Rooms, str], Awaitable[Receipt]]
    who: str


@dataclass(frozen=True, slots=True)
class _Given:
    """Options that were given before the subcommand."""

    repeat_key: str
    as_json: bool


def register(app: typer.Typer) -> None:
    """Add both groups to the command."""
    app.add_typer(revoke_app, name="revoke")
    app.add_typer(accounts_app, name="accounts")


@revoke_app.callback(invoke_without_command=True)
def revoke(
    context: typer.Context,
    repeat_key: RepeatKey = "",
    *,
    everybody: Annotated[bool, typer.Option("--all", help="Sign every account out, on every device.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before signing everybody out.")] = False,
    as_json: AsJson = False,
) -> None:
    """Sign out a device, a session, an account or everybody.

        latchstring revoke account ada@example.com
        latchstring revoke device ada@example.com 3q2-7wAAAAAAAAAAAAAAAA
        latchstring revoke --all

    Sign-ins that were checked before are refused as well. Exit codes: 0 complete, 1 not confirmed, 3 partial.
    """
    if context.invoked_subcommand is not None:
        if everybody:
            raise typer.BadParameter("expected either --all or something to revoke, not both")
        # What stands before the subcommand counts as if it stood behind.
        context.obj = _Given(repeat_key, as_json)
        return
    if not everybody:
        print(context.get_help())
        raise typer.Exit(2)
    if not yes:
        typer.confirm("Sign out every account, on every device?", abort=True)

    async def alone(rooms: wiring.Rooms, key: str) -> Receipt:
        return await rooms.everybody.revoke(reason="everybody_signed_out", repeat_key=key)

    _carry_out(context, Act("POST", "/v1/revoke-everybody", alone, "everybody"), repeat_key, as_json=as_json)


@revoke_app.command("account")
def revoke_account(
    context: typer.Context, account: AccountName, repeat_key: RepeatKey = "", *, as_json: AsJson = False
) -> None:
    """Sign an account out everywhere; passwords checked before are refused."""
    act = _end(account, "account", account, "POST", "/revoke", reason="signed_out_everywhere")
    _carry_out(context, act, repeat_key, as_json=as_json)


@revoke_app.command("device", context_settings=_IDS_LIKE_OPTIONS)
def revoke_device(
    context: typer.Context, account: AccountName, device: str, repeat_key: RepeatKey = "", *, as_json: AsJson = False
) -> None:
    """Remove one device, for good."""
    act = _end(account, "device", device, "DELETE", f"/devices/{device}", reason="removed_by_website")
    _carry_out(context, act, repeat_key, as_json=as_json)


@revoke_app.command("session", context_settings=_IDS_LIKE_OPTIONS)
def revoke_session(
    context: typer.Context, account: AccountName, session: str, repeat_key: RepeatKey = "", *, as_json: AsJson = False
) -> None:
    """End one session."""
    act = _end(account, "session", session, "DELETE", f"/sessions/{session}", reason="ended_by_website")
    _carry_out(context, act, repeat_key, as_json=as_json)


@accounts_app.command("disable")
def disable_account(
    context: typer.Context, account: AccountName, repeat_key: RepeatKey = "", *, as_json: AsJson = False
) -> None:
    """Sign an account out everywhere, and let nobody sign in to it until it is enabled."""
    act = _end(account, "disable", account, "POST", "/disable", reason="disabled")
    _carry_out(context, act, repeat_key, as_json=as_json)


@accounts_app.command("enable")
def enable_account(account: AccountName) -> None:
    """Let a disabled account sign in again; nothing that was signed out comes back."""

    async def act() -> bool:
        store = Store(settings.read().store_url)
        try:
            return await enable(store, checked_account(account))
        finally:
            await store.close()

    was_disabled = _or_explain(act())
    print(f"{account} may sign in again" if was_disabled else f"{account} was not disabled")


def _end(account: str, kind: Target, subject: str, method: str, path: str, *, reason: str) -> Act:
    """The act that ends `subject` of an account; says what is wrong with either and leaves."""
    try:
        name = checked_account(account)
        if kind in ("device", "session") and not is_id(subject):
            raise BadRequest(f"bad_{kind}_id", "expected an id of 22 base64url characters")
    except BadRequest as error:
        give_up(error)

    async def alone(rooms: wiring.Rooms, key: str) -> Receipt:
        return await rooms.revoker.revoke(name, [(kind, subject)], reason=reason, repeat_key=key)

    who = f"{kind} {subject} of {account}" if kind in ("device", "session") else account
    return Act(method, path_of(account, path), alone, who)


def _carry_out(context: typer.Context, act: Act, repeat_key: str, *, as_json: bool) -> None:
    given = context.obj
    if isinstance(given, _Given):
        if given.repeat_key and repeat_key and given.repeat_key != repeat_key:
            raise typer.BadParameter("expected one --repeat-key, got two different ones")
        repeat_key, as_json = repeat_key or given.repeat_key, as_json or given.as_json
    key = repeat_key or f"cli-{new_id()}"
    told = _or_explain(_receipt_of(act, key), repeat_key=key)
    if as_json:
        print(json.dumps(told))
    else:
        print(_in_words(act.who, told))
    if told["status"] != "complete":
        raise typer.Exit(_PARTIAL)


async def _receipt_of(act: Act, key: str) -> dict[str, Any]:
    chosen = settings.read()
    told = await _asked(chosen, act, key)
    return told if told is not None else await _done_alone(chosen, act, key)


async def _asked(chosen: Settings, act: Act, key: str) -> dict[str, Any] | None:
    """What a running worker answers; None if there is none that could."""
    try:
        answer = await ask_worker(
            chosen, act.method, act.path, headers={"idempotency-key": key}, patience_seconds=_PATIENCE_SECONDS
        )
        told = answer.json()
    except (httpx.HTTPError, ValueError):
        return None
    if answer.status_code in (200, 202) and "status" in told:
        return dict(told)
    if answer.status_code == Conflict.status:
        raise Conflict(told["code"], told["detail"])
    if answer.status_code == NotFound.status and str(told.get("code", "")).startswith("unknown_"):
        raise NotFound(told["code"], told["detail"])
    # Another deployment's, or one whose store is away: what it cannot say, this process finds out itself.
    return None


async def _done_alone(chosen: Settings, act: Act, key: str) -> dict[str, Any]:
    # Its answer goes to stdout; a worker tells more of itself than who revokes wants to read.
    logs.configure(level="error")
    async with Running(wiring.build(chosen)) as rooms:
        if not rooms.feed.loaded:
            raise StoreAway
        return (await act.alone(rooms, key)).as_dict()


def _or_explain(coroutine: Any, *, repeat_key: str = "") -> Any:
    try:
        return asyncio.run(coroutine)
    except (SettingsError, KeyFileError, EdgeError) as error:
        print(error, file=sys.stderr)
        if isinstance(error, StoreAway):
            print(
                "is the store running, and LATCHSTRING_DATA_DIR or LATCHSTRING_STORE this deployment's?",
                file=sys.stderr,
            )
            if repeat_key:
                print(f"nothing is certain yet; repeat it with --repeat-key {repeat_key}", file=sys.stderr)
        raise typer.Exit(1) from None


def _in_words(who: str, told: dict[str, Any]) -> str:
    workers = count(told["workers"], "worker")
    lines = [f"{who}: signed out everywhere ({told['applied']} of {workers}, {span(told['elapsed_ms'], english())})"]
    if told["status"] != "complete":
        by = clock_time(told["certain_at_ms"], english())
        lines = [f"{who}: signed out on {told['applied']} of {workers} so far; certain everywhere by {by}"]
        lines += [f"  {_WHY[one.get('why', 'silent')].format(one['worker'])}" for one in told["missing"]]
    if not told["durable"]:
        lines.append("not durable: a power loss of the store in this moment could undo it")
    return "\n".join([*lines, f"receipt {told['id']}"])
