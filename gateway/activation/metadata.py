"""What clients find out by themselves: the metadata of the authorization server (RFC 8414).

Claims without a value are left out (section 3.2), and so is what only the website's backend may call.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..tokens.app_keys import ALGORITHMS
from .endpoints import DEVICE_GRANT, PREFIX, REFRESH_GRANT
from .oauth import answer

PATH: Final = "/.well-known/oauth-authorization-server"
#: Clients are public: they show their id and nothing else.
_NO_SECRET: Final = ["none"]


def metadata(issuer: str) -> dict[str, object]:
    """The claims of the server whose addresses begin with `issuer`, scheme and host."""
    return {
        "issuer": issuer,
        "device_authorization_endpoint": f"{issuer}{PREFIX}device_authorization",
        "token_endpoint": f"{issuer}{PREFIX}token",
        "token_endpoint_auth_methods_supported": _NO_SECRET,
        "grant_types_supported": [DEVICE_GRANT, REFRESH_GRANT],
        "dpop_signing_alg_values_supported": list(ALGORITHMS),
        "revocation_endpoint": f"{issuer}{PREFIX}revoke",
        "revocation_endpoint_auth_methods_supported": _NO_SECRET,
    }


def route(issuer: str) -> Route:
    """The one address, for everybody."""
    claims = metadata(issuer)

    async def show(_request: Request) -> Response:
        return answer(claims, headers={"cache-control": "public, max-age=3600"})

    return Route(PATH, show, methods=["GET"])
