"""Every URL of a page for people, and what those pages are made of."""

from functools import partial

from starlette.routing import Route

from .beacons import script as page_script
from .dashboard import page as dashboard
from .dashboard.door import Door
from .devices import page as devices_page
from .pages.static import static_routes
from .privacy.page import ChoicesPage
from .sessions.page import SessionPages, forget_browser
from .sessions.room_page import RoomPage
from .wiring import Rooms, fresh_gate, gate


def page_routes(rooms: Rooms) -> list[Route]:
    """The routes; the app guards them against posts from other sites. Those of TVs are in activation_wiring.py."""
    settings = rooms.settings
    sessions = SessionPages(
        address_of=lambda head: rooms.trusted.client_address(head.peer, head.headers),
        checker=rooms.checker,
        revoker=rooms.revoker,
        codec=rooms.codec,
        clock=rooms.clock,
        pages=rooms.pages,
        sign_in_url=settings.sign_in_url,
    )
    devices = devices_page.routes(
        devices=rooms.devices,
        places=rooms.places,
        gate=partial(gate, rooms, of_pages=True),
        fresh_gate=fresh_gate(rooms),
        forget_browser=forget_browser,
        pages=rooms.pages,
        clock=rooms.clock,
    )
    room = RoomPage(
        starter=rooms.starter,
        limit=rooms.limit,
        places=rooms.places,
        codec=rooms.codec,
        clock=rooms.clock,
        address_of=lambda head: rooms.trusted.client_address(head.peer, head.headers),
        pages=rooms.pages,
        sign_in_url=settings.sign_in_url,
    )
    bridge = [] if rooms.bridge is None else rooms.bridge.routes()
    choices = ChoicesPage(rooms.choices, rooms.pages)
    door = Door(rooms.service_keys, rooms.codec, rooms.clock)
    figures = dashboard.Dashboard(
        door=door,
        reports=rooms.reports,
        clock=rooms.clock,
        pages=rooms.pages,
        # What operators see is withheld from none of them.
        defaults=rooms.settings.report_defaults()._replace(partner_people=0),
    )
    pages = [*sessions.routes(), *room.routes(), *devices, *choices.routes(), *bridge, *figures.routes()]
    return [*pages, *static_routes(further=rooms.pages.look.files), *page_script.routes()]
