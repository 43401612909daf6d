"""HTTP manners for any ASGI app: cookies, proxies, identity, forgery, passports, problems, headers and limits.

Nothing here knows the gateway or a store, so a website can use it alone. In each module the plain function comes first
and a thin ASGI class below it; the public ones are named here, and only here.
"""

from .cookies import clear_cookie, named_cookies, set_cookie
from .cross_origin import CrossOriginProtection
from .forwarded import ForwardedError, OriginalRequest, TrustedProxies
from .identity_headers import StripIdentity
from .passport import Passport, PassportMiddleware, PassportRefused, PassportVerifier
from .problems import MiddlewareError, Problem, ProblemAnswers
from .request_limits import RequestLimits
from .response_headers import ResponseHeaders
from .signed_cookies import SignedCookies

__all__ = [
    "CrossOriginProtection",
    "ForwardedError",
    "MiddlewareError",
    "OriginalRequest",
    "Passport",
    "PassportMiddleware",
    "PassportRefused",
    "PassportVerifier",
    "Problem",
    "ProblemAnswers",
    "RequestLimits",
    "ResponseHeaders",
    "SignedCookies",
    "StripIdentity",
    "TrustedProxies",
    "clear_cookie",
    "named_cookies",
    "set_cookie",
]
