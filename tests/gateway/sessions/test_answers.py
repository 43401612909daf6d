"""How somebody who is not let in is answered, by the kind of request."""

import json

import pytest

from latchstring_gateway.recognition.hints import ACCEPT_CH
from latchstring_gateway.sessions import answers
from latchstring_gateway.sessions.check import Denied
from latchstring_gateway.sessions.visit import Visit


def _visit(*, navigation: bool) -> Visit:
    return Visit(
        token=b"t",
        run=None,
        method="GET",
        target="/watch",
        client_address="192.0.2.1",
        agent="",
        navigation=navigation,
        carry="none",
        background=False,
        arrived_ns=0,
    )


@pytest.mark.parametrize("clear", [True, False])
def test_a_fetch_gets_a_problem_and_keeps_its_cookies(clear: bool) -> None:
    """A sub-resource clears nothing, whatever was proved."""
    reply = answers.denied(_visit(navigation=False), Denied("over", clear=clear), sign_in_url="/in", sealed_return="s")

    assert (reply.status, json.loads(reply.body)["code"]) == (401, "not_signed_in")
    assert not [name for name, _ in reply.headers if name in (b"set-cookie", b"location")]


@pytest.mark.parametrize(("sign_in_url", "start"), [("/in", b"/in?return=s"), ("/in?a=b", b"/in?a=b&return=s")])
@pytest.mark.parametrize("clear", [True, False])
def test_a_navigation_is_sent_to_sign_in(sign_in_url: str, start: bytes, clear: bool) -> None:
    """With its sealed target and the wish for hints; a cookie that was proved bad goes on the way."""
    reply = answers.denied(
        _visit(navigation=True), Denied("over", clear=clear), sign_in_url=sign_in_url, sealed_return="s"
    )

    headers = dict(reply.headers)
    assert (reply.status, headers[b"location"]) == (303, start)
    assert (b"set-cookie" in headers) is clear
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"accept-ch"] == ACCEPT_CH.encode()


def test_nobody_is_signed_out_for_want_of_a_fresh_password() -> None:
    """401 with its own code for a fetch, 303 that says why for a navigation; no cookie is touched."""
    fetch, page = (
        answers.step_up(
            _visit(navigation=navigation), "fresh_required", max_age_seconds=None, sign_in_url="/in", sealed_return="s"
        )
        for navigation in (False, True)
    )

    assert (fetch.status, json.loads(fetch.body)["code"]) == (401, "fresh_required")
    assert dict(page.headers)[b"location"] == b"/in?return=s&fresh=1"
    assert b"set-cookie" not in dict(page.headers)


def test_a_step_up_says_how_recent_the_password_must_be_in_the_form_of_rfc_9470() -> None:
    """The challenge and the problem carry the same: the error of section 3, and the age where one was asked for."""
    reply = answers.step_up(
        _visit(navigation=False), "authentication_too_old", max_age_seconds=300, sign_in_url="/in", sealed_return="s"
    )

    problem = json.loads(reply.body)
    assert (problem["error"], problem["max_age"]) == ("insufficient_user_authentication", 300)
    assert dict(reply.headers)[b"www-authenticate"] == (
        b'Bearer error="insufficient_user_authentication", '
        b'error_description="enter your password again to go on", max_age="300"'
    )


def test_away_asks_to_come_back_and_takes_nothing() -> None:
    """503, when to try again, and no cookie cleared."""
    headers = dict(answers.AWAY.headers)

    assert answers.AWAY.status == 503
    assert int(headers[b"retry-after"]) > 0
    assert b"set-cookie" not in headers
