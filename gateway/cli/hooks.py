"""`latchstring hooks`: the URLs that are told of events, how their delivery goes, and what they never took."""

import json
from typing import Annotated

import typer

from ..clock import SystemClock
from ..errors import NotFound
from ..hooks.dead import DeadEvents
from ..hooks.registry import Hook, Hooks, Pause
from ..hooks.standing import Standing, Standings
from ..store.client import Store
from .admin import AsJson, show, when, with_store

app = typer.Typer(
    no_args_is_help=True, help="URLs that are told of events: add, list, pause, resume, dead, replay, remove."
)
HookId = Annotated[str, typer.Argument(help="The id from the list.")]
_COLUMNS = ("id", "url", "created", "state", "failing since", "backlog", "refused accounts", "dead", "reason")


def register(command: typer.Typer) -> None:
    """Add the group to the command."""
    command.add_typer(app, name="hooks")


@app.command("add")
def add_hook(
    url: Annotated[str, typer.Argument(help="https:// address that takes POST.")],
    *,
    private: Annotated[
        bool, typer.Option("--private", help="It may lead to a private address (10.0.0.0/8, fd00::/8, …).")
    ] = False,
) -> None:
    """Tell a URL of events from now on; prints its signing secret, once."""
    hook = with_store(lambda store: Hooks(store, SystemClock()).add(url, private=private))
    print(json.dumps({"id": hook.id, "url": hook.url, "secret": hook.secret}))


@app.command("list")
def list_hooks(*, as_json: AsJson = False) -> None:
    """Show every hook, how its delivery goes, and why; never a secret."""

    async def found(store: Store) -> list[dict[str, str]]:
        hooks = Hooks(store, SystemClock())
        pauses, standings = await hooks.pauses(), await Standings(store).all()
        return [_row(hook, pauses.get(hook.id), standings.get(hook.id)) for hook in await hooks.list()]

    show(with_store(found), _COLUMNS, as_json=as_json, empty="No hook yet: latchstring hooks add URL")


@app.command("pause")
def pause_hook(hook_id: HookId) -> None:
    """Send nothing until it is resumed; events wait for 3 days."""
    with_store(lambda store: Hooks(store, SystemClock()).pause(hook_id, "paused by hand"))
    print(f"hook {hook_id} is paused")


@app.command("resume")
def resume_hook(hook_id: HookId) -> None:
    """Send again to a hook that was paused, by hand or by its receiver (410 Gone)."""
    with_store(lambda store: Hooks(store, SystemClock()).resume(hook_id))
    print(f"hook {hook_id} is resumed")


@app.command("dead")
def list_dead(
    hook_id: HookId,
    *,
    after: Annotated[str, typer.Option(help="Only what comes behind this place of the list.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Show the events that a hook never took, oldest first, with the last reason."""

    async def found(store: Store) -> list[dict[str, str]]:
        await _must_exist(store, hook_id)
        return [
            {
                "place": dead.position,
                "event": dead.event.id,
                "type": dead.event.type,
                "account": dead.event.account,
                "happened": when(dead.event.at_ms),
                "given up": when(dead.given_up_at_ms),
                "reason": dead.reason,
            }
            for dead in await DeadEvents(store).page(hook_id, after=after, limit=limit)
        ]

    columns = ("place", "event", "type", "account", "happened", "given up", "reason")
    show(with_store(found), columns, as_json=as_json, empty="No dead events.")


@app.command("replay")
def replay_dead(
    hook_id: HookId,
    events: Annotated[list[str] | None, typer.Argument(help="Ids of dead events; all of the hook without any.")] = None,
) -> None:
    """Send dead events once more, under the same ids; out of the order of their accounts."""

    async def replayed(store: Store) -> int:
        await _must_exist(store, hook_id)
        return await DeadEvents(store).replay(hook_id, events or (), now_ms=SystemClock().wall_ms())

    print(f"{with_store(replayed)} events will be sent once more")


@app.command("remove")
def remove_hook(hook_id: HookId) -> None:
    """Tell a URL nothing more; what it has not had yet is dropped."""
    with_store(lambda store: Hooks(store, SystemClock()).remove(hook_id))
    print(f"hook {hook_id} is removed")


def _row(hook: Hook, pause: Pause | None, standing: Standing | None) -> dict[str, str]:
    state: str = "paused" if pause is not None else standing.state if standing is not None else "not served yet"
    if pause is None and standing is not None and standing.state == "paused":
        state = "resuming"
    since_ms = pause.since_ms if pause is not None else standing.failing_since_ms if standing is not None else 0
    return {
        "id": hook.id,
        "url": hook.url,
        "created": when(hook.created_at_ms),
        "state": state,
        "failing since": when(since_ms) if since_ms else "",
        "backlog": f"{standing.backlog_seconds} s" if standing is not None else "",
        "refused accounts": str(standing.held_accounts) if standing is not None else "",
        "dead": str(standing.dead) if standing is not None else "",
        "reason": pause.reason if pause is not None else standing.reason if standing is not None else "",
    }


async def _must_exist(store: Store, hook_id: str) -> None:
    if all(hook.id != hook_id for hook in await Hooks(store, SystemClock()).list()):
        raise NotFound("unknown_hook", "no hook has this id")
