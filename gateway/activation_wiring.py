"""The part of the composition root that makes what activates TVs, from the rooms of a worker."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.routing import Route

from .activation import metadata, page
from .activation.approvals import Approvals
from .activation.binding import Binding
from .activation.budget import Budgets
from .activation.codes import FORMS
from .activation.endpoints import TvEndpoints
from .activation.grants import Grants
from .activation.statement import Statements, load_keys
from .activation.tokens import TvTokens
from .fingerprint.ja4 import ja4_told
from .hot_route import head_of
from .sessions.check import Checker
from .sessions.renew import Renewals
from .sessions.start import Starter
from .sessions.story import Story
from .setting_forms import listed
from .tokens.log_names import LogNames
from .wiring import Rooms, fresh_gate, gate


@dataclass(frozen=True, slots=True)
class Activation:
    """The routes by which TVs are activated."""

    #: For apps, which show no cookies; for people; for everybody.
    apps: list[Route]
    pages: list[Route]
    well_known: list[Route]


def build(rooms: Rooms) -> Activation:
    """Make it."""
    settings, store = rooms.settings, rooms.store
    policy = settings.session_policy().of_tvs(days=settings.tv_days, grace_seconds=settings.tv_grace_seconds)
    names = LogNames(rooms.ring)
    story = Story(names, rooms.leases)
    checker = Checker(
        leases=rooms.leases,
        ring=rooms.ring,
        feed=rooms.feed,
        memory=rooms.memory,
        renewals=Renewals(store, rooms.leases, rooms.feed, policy),
        clock=rooms.clock,
        policy=policy,
        story=story,
        proofs=rooms.proofs,
    )
    budgets = Budgets(store)
    grants = Grants(store, FORMS[settings.tv_codes], life_seconds=settings.tv_code_seconds)
    page_url = f"{settings.public_origin}{page.URL}"

    def address_of(request: Request) -> str:
        head = head_of(request.scope)
        return rooms.trusted.client_address(head.peer, head.headers)

    starter = Starter(
        store,
        rooms.codec,
        rooms.leases,
        policy,
        story,
        rooms.places,
        rooms.fingerprints,
        rooms.revoker,
        seen=rooms.refiner.seen,
    )

    def tls_of(request: Request) -> str:
        head = head_of(request.scope)
        return ja4_told(head.peer, head.headers, rooms.trusted, header=settings.ja4_header)

    endpoints = TvEndpoints(
        clients=frozenset(listed(settings.tv_clients)),
        grants=grants,
        budgets=budgets,
        tokens=TvTokens(starter, checker, rooms.revoker, rooms.codec),
        binding=Binding(rooms.proofs, store, always=frozenset(listed(settings.tv_dpop_clients))),
        statements=Statements(load_keys(settings.tv_statement_keys_file), audience=settings.public_origin),
        ring=rooms.ring,
        seen=rooms.refiner.seen,
        places=rooms.places,
        address_of=address_of,
        tls_of=tls_of,
        verification_uri=settings.activation_url or page_url,
        complete_uri=page_url,
    )
    pages = page.routes(
        approvals=Approvals(grants, budgets),
        places=rooms.places,
        names=names,
        address_of=address_of,
        gate=lambda app: gate(rooms, app, of_pages=True),
        limit=rooms.limit,
        clock=rooms.clock,
        fresh_gate=fresh_gate(rooms),
        pages=rooms.pages,
    )
    return Activation(endpoints.routes(), pages, [metadata.route(settings.public_origin)])
