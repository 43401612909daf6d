"""Every URL below /v1, for the website's backend."""

from starlette.routing import Route

from .activation.introspection import Introspection
from .devices.endpoints import DeviceEndpoints
from .fingerprint.endpoints import FingerprintEndpoints
from .mail.endpoints import LinkEndpoints
from .mail.life import LinkLife
from .mail.links import Links
from .privacy.all_nodes import AllNodes
from .privacy.endpoints import ChoiceEndpoints
from .privacy.erasing import Erasing
from .privacy.erasure_endpoints import ErasureEndpoints
from .reports.endpoints import ReportEndpoints
from .revocation.endpoints import RevocationEndpoints
from .revocation.stream import RevocationStream
from .sessions.endpoints import SessionEndpoints
from .shipping.erasures import Erasures
from .shipping.pseudonyms import Pseudonyms
from .trials.endpoints import TrialEndpoints
from .wiring import Rooms


def links_of(rooms: Rooms) -> Links:
    """What seals and opens the links of mails."""
    return Links(rooms.codec, rooms.clock, origin=rooms.settings.public_origin, allowed=rooms.settings.link_targets())


def all_nodes_of(rooms: Rooms) -> AllNodes:
    """What tells erasures to other nodes, and hears of theirs."""
    return AllNodes(rooms.store, Erasures(rooms.settings.data_dir / "warehouse"))


def backend_routes(rooms: Rooms) -> list[Route]:
    """The routes; the app lets only service credentials through to them. Raises PseudonymKeyError."""
    pseudonyms = Pseudonyms.at(rooms.settings.data_dir)
    stream = RevocationStream(rooms.feed, rooms.listeners, rooms.clock)
    erasing = Erasing(rooms.settings.data_dir, pseudonyms, rooms.clock)
    rooms_of_urls = (
        SessionEndpoints(rooms.starter, rooms.limit, rooms.codec, rooms.clock),
        RevocationEndpoints(rooms.store, rooms.revoker, rooms.everybody, stream),
        DeviceEndpoints(rooms.devices),
        TrialEndpoints(rooms.trials),
        FingerprintEndpoints(rooms.fingerprints),
        ChoiceEndpoints(rooms.choices),
        ErasureEndpoints(erasing, all_nodes_of(rooms), rooms.choices, rooms.store, rooms.revoker, rooms.trials),
        ReportEndpoints(rooms.reports, rooms.clock, rooms.settings.report_defaults()),
        Introspection(rooms.checker, issuer=rooms.settings.public_origin),
        LinkEndpoints(links_of(rooms), pseudonyms, LinkLife(rooms.store), rooms.clock),
    )
    return [route for endpoints in rooms_of_urls for route in endpoints.routes()]
