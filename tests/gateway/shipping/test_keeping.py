"""Without a policy of consent, nobody can be told apart."""

from harness.hits import pixel
from latchstring_gateway.beacons import payload
from latchstring_gateway.shipping.event import Event
from latchstring_gateway.shipping.keeping import Kept, nobody


def test_no_pseudonym_is_kept_while_consent_is_unknown() -> None:
    """The event counts; session, account and visitor ids that the tracker sent go no further."""
    event = Event("view", "/a", None, "e1", None, None, bytes(16), session="s", user="u", visitor="v", campaign="c")

    kept = nobody(payload.decode(pixel()), event)

    assert kept == Kept(event._replace(session=None, user=None), None, "none", "unknown")
    assert kept.event.campaign == "c"
