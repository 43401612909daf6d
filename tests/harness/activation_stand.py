"""An activation page at which one TV waits: for tests of the page itself, by browser."""

from pathlib import Path

from starlette.routing import Route

from harness.devices_stand import NOW_MS, MemoryDevices, open_gate
from harness.people import place_file
from harness.tv import TV_AGENT
from latchstring_gateway.activation import page
from latchstring_gateway.activation.approvals import Approvals, Wrong
from latchstring_gateway.activation.codes import FORMS, CodeForm, DeviceCode
from latchstring_gateway.activation.grants import Asking, Decision, Waiting
from latchstring_gateway.clock import ManualClock, SystemClock
from latchstring_gateway.devices.limit import DeviceLimit
from latchstring_gateway.devices.place import Places
from latchstring_gateway.ids import Account
from latchstring_gateway.pages.render import Pages
from latchstring_gateway.tokens.keyring import KeyRing, create_key_file
from latchstring_gateway.tokens.log_names import LogNames

_ELSEWHERE = Asking(TV_AGENT, "198.51.100.0/24", "BR", "A Provider Whose Name Does Not End Soon, Telecomunicacoes S.A.")


class OneWaits(Approvals):
    """One TV that waits with the code WDJB-MJHT; remembers what was decided."""

    def __init__(self) -> None:
        self.decided: list[Decision] = []

    @property
    def form(self) -> CodeForm:
        """See Approvals."""
        return FORMS["letters"]

    async def find(self, typed: str, account: Account, address: str) -> Waiting | Wrong:
        """See Approvals."""
        code = self.form.read(typed)
        if code is None:
            return Wrong("unreadable")
        return Waiting(DeviceCode(0, ""), code, _ELSEWHERE) if code == "WDJBMJHT" else Wrong("spent", 600)

    async def hold(self, waiting: Waiting, account: Account, *, session: str, authenticated_at_ms: int) -> bool:
        """See Approvals."""
        return True

    async def settle(
        self, waiting: Waiting, decision: Decision, account: Account, *, session: str, authenticated_at_ms: int
    ) -> bool:
        """See Approvals."""
        self.decided.append(decision)
        return True


def activation_routes(approvals: Approvals, pages: Pages, folder: Path) -> list[Route]:
    """The page, for somebody in the Netherlands who is signed in; `folder` takes its files."""
    create_key_file(folder / "keys.json")
    countries = place_file(folder / "countries.mmdb", {"192.0.2.0/24": {"country": {"iso_code": "NL"}}})
    return page.routes(
        approvals=approvals,
        places=Places(countries),
        names=LogNames(KeyRing.load(folder / "keys.json", SystemClock())),
        address_of=lambda request: "192.0.2.10",
        limit=DeviceLimit(MemoryDevices(), 0, ManualClock(NOW_MS)),
        clock=ManualClock(NOW_MS),
        gate=open_gate,
        pages=pages,
    )
