"""`latchstring trials`: who may have a free trial, asked and decided by hand; by a running worker."""

import json
from typing import Annotated, Any, Final

import typer

from .ask_worker import told_by_worker
from .words import utc_time

_REFUSED: Final = 3

trials_app = typer.Typer(no_args_is_help=True, help="Free trials: who has had one, appeals, forgetting.")

Trial = Annotated[str, typer.Argument(help="The trial's name, as the website claims it.")]
Emails = Annotated[list[str], typer.Option("--email", help="An e-mail address.")]
Phones = Annotated[list[str], typer.Option("--phone", help="A number in international form.")]
Cards = Annotated[list[str], typer.Option("--card", help="The payment provider's fingerprint of a card.")]
Devices = Annotated[list[str], typer.Option("--device", help="A device's id.")]
Hardware = Annotated[list[str], typer.Option("--hardware", help="A hardware id that a device states.")]
AsJson = Annotated[bool, typer.Option("--json", help="The worker's answer as it is.")]


def register(app: typer.Typer) -> None:
    """Add `trials` to the command."""
    app.add_typer(trials_app, name="trials")


@trials_app.command("check")
def check(
    trial: Trial,
    *,
    account: Annotated[str, typer.Option(help="The account that would claim it.")] = "",
    email: Emails = [],  # noqa: B006 - typer makes lists of its own
    phone: Phones = [],  # noqa: B006
    card: Cards = [],  # noqa: B006
    device: Devices = [],  # noqa: B006
    hardware: Hardware = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Say whether a claim would be granted now, and why not; keeps nothing.

        latchstring trials check free-month --email ada@example.com --card fp_9Zk2

    Exit codes: 0 it would, 3 it would not, 1 not known.
    """
    names = {"email": email, "phone": phone, "card": card, "device": device, "hardware": hardware}
    body = {"trial": trial, "account": account or None, "identifiers": names}
    told = _ask("check", body)
    if as_json:
        print(json.dumps(told))
    else:
        print(_decision(told, "would be granted", "would be refused"))
    if not told["eligible"]:
        raise typer.Exit(_REFUSED)


@trials_app.command("claim")
def claim(
    trial: Trial,
    account: Annotated[str, typer.Argument(help="The account that claims it.")],
    *,
    email: Emails = [],  # noqa: B006
    phone: Phones = [],  # noqa: B006
    card: Cards = [],  # noqa: B006
    device: Devices = [],  # noqa: B006
    hardware: Hardware = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Claim a trial for an account, as the website does.

        latchstring trials claim free-month ada@example.com --email ada@example.com

    Exit codes: 0 granted, or held from before; 3 refused, 1 not known (say it again).
    """
    names = {"email": email, "phone": phone, "card": card, "device": device, "hardware": hardware}
    told = _ask("claim", {"trial": trial, "account": account, "identifiers": names})
    print(json.dumps(told) if as_json else _decision(told, "is granted", "is refused"))
    if told["outcome"] == "refused":
        raise typer.Exit(_REFUSED)


@trials_app.command("override")
def override(
    trial: Trial,
    account: Annotated[str, typer.Argument(help="Whose next claim is granted.")],
    by: Annotated[str, typer.Option(help="Who allows it: a sign without @ or blanks.")],
    reason: Annotated[str, typer.Option(help="Why, such as a ticket's number; no names, for it is logged.")],
) -> None:
    """After an appeal: let an account's next claim be granted, once, within 30 days.

    latchstring trials override free-month ada@example.com --by support-17 --reason "ticket 4711"
    """
    told = _ask("override", {"trial": trial, "account": account, "by": by, "reason": reason})
    print(f"The next claim of this account is granted until {utc_time(told['until_ms'])}.")


@trials_app.command("forget")
def forget(
    *,
    account: Annotated[str, typer.Option(help="Forget this account's claims to every trial.")] = "",
    key: Annotated[str, typer.Option(help="Forget what was claimed under this key of the ring, by its id.")] = "",
) -> None:
    """Forget claims, so that the trials may be had again; `latchstring erase --account` does it too.

    latchstring trials forget --key k3Vx9q
    """
    told = _ask("forget", {"account": account or None, "key_id": key or None})
    print(f"{told['claims']:,} forgotten.")


def _ask(act: str, body: dict[str, Any]) -> dict[str, Any]:
    return told_by_worker(f"/v1/trials/{act}", body, codes=("trial_refused",))


def _decision(told: dict[str, Any], granted: str, refused: str) -> str:
    lines = {
        "granted": f"It {granted}" + (", by an override." if told["overridden"] else "."),
        "held": "The account holds it"
        + (f" since {utc_time(told['claimed_at_ms'])}." if told["claimed_at_ms"] else "."),
        "refused": f"It {refused}.",
    }
    reasons = [
        f"  {one['kind']:<9} had it {utc_time(one['claimed_at_ms'])}, claim {one['claim']}"
        + (" (shared by many: refuses nobody)" if one["shared"] else "")
        for one in told["reasons"]
    ]
    ignored = [f"  {kind:<9} identifies nobody: not looked at" for kind in told["ignored"]]
    return "\n".join([lines[told["outcome"]], *reasons, *ignored])
