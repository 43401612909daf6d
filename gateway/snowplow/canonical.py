"""Snowplow's own names for what a tracker says: parameters of the wire as the fields of its canonical event.

{"e": "se", "se_ca": "shop", "aid": "web"}  ->  {"event": "struct", "se_category": "shop", "app_id": "web", …}
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ..shipping.numbers import instant_ms

#: What happened: the event's name, and the schema it counts as.
EVENTS: Final = {
    "pv": ("page_view", "iglu:com.snowplowanalytics.snowplow/page_view/jsonschema/1-0-0"),
    "pp": ("page_ping", "iglu:com.snowplowanalytics.snowplow/page_ping/jsonschema/1-0-0"),
    "se": ("struct", "iglu:com.google.analytics/event/jsonschema/1-0-0"),
    "tr": ("transaction", "iglu:com.snowplowanalytics.snowplow/transaction/jsonschema/1-0-0"),
    "ti": ("transaction_item", "iglu:com.snowplowanalytics.snowplow/transaction_item/jsonschema/1-0-0"),
    "ue": ("unstruct", ""),
}
_TEXTS: Final = {
    "eid": "event_id", "tv": "v_tracker", "tna": "name_tracker", "aid": "app_id", "p": "platform", "uid": "user_id",
    "duid": "domain_userid", "sid": "domain_sessionid", "nuid": "network_userid", "tnuid": "network_userid",
    "ip": "user_ipaddress", "ua": "useragent", "lang": "br_lang", "tz": "os_timezone", "cs": "doc_charset",
    "cd": "br_colordepth", "url": "page_url", "page": "page_title", "refr": "page_referrer", "se_ca": "se_category",
    "se_ac": "se_action", "se_la": "se_label", "se_pr": "se_property", "tr_id": "tr_orderid", "tr_af": "tr_affiliation",
    "tr_ci": "tr_city", "tr_st": "tr_state", "tr_co": "tr_country", "tr_cu": "tr_currency", "ti_id": "ti_orderid",
    "ti_sk": "ti_sku", "ti_nm": "ti_name", "ti_ca": "ti_category", "ti_cu": "ti_currency",
}  # fmt: skip
_NUMBERS: Final = {
    "vid": "domain_sessionidx", "se_va": "se_value", "pp_mix": "pp_xoffset_min", "pp_max": "pp_xoffset_max",
    "pp_miy": "pp_yoffset_min", "pp_may": "pp_yoffset_max", "tr_tt": "tr_total", "tr_tx": "tr_tax",
    "tr_sh": "tr_shipping", "ti_pr": "ti_price", "ti_qu": "ti_quantity",
}  # fmt: skip
_TIMES: Final = {"dtm": "dvce_created_tstamp", "stm": "dvce_sent_tstamp", "ttm": "true_tstamp"}
_SIZES: Final = {
    "res": ("dvce_screenwidth", "dvce_screenheight"),
    "vp": ("br_viewwidth", "br_viewheight"),
    "ds": ("doc_width", "doc_height"),
}


def canonical(parameters: Mapping[str, str], received_at_ms: int, happened_at_ms: int | None) -> dict[str, Any]:
    """The fields that the parameters fill; those of a good event, so the type is known to be sound."""
    event: dict[str, Any] = {"event": EVENTS[parameters["e"]][0], "collector_tstamp": instant(received_at_ms)}
    for name, value in parameters.items():
        if name in _TEXTS:
            event[_TEXTS[name]] = value
        elif name in _NUMBERS:
            event[_NUMBERS[name]] = _number(value)
        elif name in _TIMES and (at_ms := instant_ms(value)) is not None:
            event[_TIMES[name]] = instant(at_ms)
        elif name in _SIZES:
            event |= dict(zip(_SIZES[name], map(_number, value.split("x", 1)), strict=False))
        elif name == "cookie":
            event["br_cookies"] = value in ("1", "true")
    event["derived_tstamp"] = instant(received_at_ms if happened_at_ms is None else happened_at_ms)
    return event


def instant(at_ms: int) -> str:
    """An instant as Snowplow writes it, UTC, with milliseconds."""
    return datetime.fromtimestamp(at_ms / 1_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _number(text: str) -> int | float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else number
