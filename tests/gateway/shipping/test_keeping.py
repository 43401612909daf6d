"""Without a policy of consent, nobody can be told apart."""

from latchstring_gateway.shipping.event import Event
from latchstring_gateway.shipping.keeping import Kept, nameless


def test_no_pseudonym_is_kept_while_consent_is_unknown() -> None:
    """The event counts; session, account and visitor ids that the tracker sent go no further."""
    event = Event("view", "/a", None, "e1", None, None, bytes(16), session="s", user="u", visitor="v", campaign="c")

    kept = nameless(event)

    assert kept == Kept(event._replace(session=None, user=None), None, "none", "unknown", None, None, None)
    assert kept.event.campaign == "c"
