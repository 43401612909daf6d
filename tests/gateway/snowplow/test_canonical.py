"""Snowplow's names for what a tracker says: every parameter finds its field, and nonsense breaks nothing."""

import json

from hypothesis import given
from hypothesis import strategies as st

from latchstring_gateway.snowplow.canonical import EVENTS, canonical, instant

_NAMES = ["vid", "se_va", "pp_may", "res", "vp", "ds", "cookie", "tr_tt", "ti_qu", "url", "uid", "x"]


@given(
    kind=st.sampled_from(sorted(EVENTS)),
    said=st.dictionaries(
        st.sampled_from(_NAMES), st.text(max_size=8) | st.sampled_from(["1e400", "nan", "-1", "1x2x3"])
    ),
)
def test_any_value_has_a_place_or_none(kind: str, said: dict[str, str]) -> None:
    """A number that is none is told as null."""
    event = canonical({**said, "e": kind}, 1_700_000_000_000, None)

    assert json.dumps(event, allow_nan=False)
    assert event["event"] == EVENTS[kind][0]
    assert event["derived_tstamp"] == event["collector_tstamp"] == "2023-11-14T22:13:20.000Z"
    if "uid" in said:
        assert event["user_id"] == said["uid"]


def test_times_and_numbers() -> None:
    """Whole numbers stay whole."""
    event = canonical({"e": "pp", "pp_may": "700", "se_va": "9.50", "stm": "0", "vp": "800x600"}, 5_000, 4_000)

    assert (event["pp_yoffset_max"], event["se_value"], event["dvce_sent_tstamp"]) == (
        700,
        9.5,
        "1970-01-01T00:00:00.000Z",
    )
    assert (event["br_viewwidth"], event["br_viewheight"], event["derived_tstamp"]) == (800, 600, instant(4_000))
