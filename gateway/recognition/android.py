"""What Android tells in an agent, `(Linux; Android 11; MODEL Build/BUILD; wv)`: which kind a model and a build are of.

Half of all TVs say nothing else: to `user-agents` they are tablets. Where a name would fit a phone as well, it counts
only if the agent does not call itself mobile.
"""

import re
from typing import Final, NamedTuple

from .kinds import Kind

#: Some makers write Andr0id, to be told apart from phones; Amazon's Vega OS has Kepler in the same place.
_DEVICE: Final = re.compile(
    r"(?:Andr[o0]id|Kepler)[ /-]?[\d.]*(?:\.\w+)?;\s*(?:[a-z]{2}(?:[-_][A-Za-z]{2,4})?;\s*)?"
    r"([^;()]*?)(?:;?\s*Build/([^;() ]*)|[;)]|$)"
)
#: Amazon's names of its devices: AFTM, AFTKA, AFTWMST22 and so on; most are TVs of other makers.
_FIRE: Final = re.compile(r"AFT[A-Z0-9]{1,10}")
_FIRE_PLAYERS: Final = frozenset(
    {
        "AFTB", "AFTS", "AFTM", "AFTT", "AFTN", "AFTA", "AFTR", "AFTMM", "AFTSS", "AFTSSS", "AFTKA", "AFTKM", "AFTKRT",
        "AFTGAZL", "AFTCA002", "AFTTOR001",
    }
)  # fmt: skip
_FIRE_CARS: Final = ("AFTLBT", "AFTLFT")
_HANDHELD_CONSOLES: Final = re.compile(
    r"(?:ANBERNIC )?RG ?(?:35|40|28XX|34XX|476|50[356]|55[267]|CUBE|ARC)|Retroid|AYANEO|AYN |Odin2?\b|GPD|JXD[-_ ]S|"
    r"MOQI|POWKIDDY|Pocket (?:Air|ACE|EVO|DMG|S)\b|SHIELD$|Switch(?: OLED| Lite)?$|GR0006$|G Cloud|Razer Edge|KT-R1$"
)
_ECHO: Final = re.compile(r"AEO[A-Z]{2}")
_CAR_RADIOS: Final = re.compile(r"MPC-\d|YT[579]\d{3}|QUAD-CORE T3|8227L|F9212|UltraOcta|AirTouch")
#: Cars with Android built in: Volvo and Polestar say IHU, others their name.
_CARS: Final = re.compile(r"IHU\b|(?i:polestar|volvo|renault|aaos|androidautomotive)")
#: The branches of Android for TVs have a T behind the letter of their version: RTT0.210618.003.
_TV_BRANCH: Final = re.compile(r"[N-Z]T[A-Z][A-Z0-9]?\.[0-9]{6}\.")
#: Builds that only the reference designs of TVs and boxes carry, and one that is a TV's if the agent is not mobile.
_TV_BUILD: Final = re.compile(
    r"PPR2\.180905|TP1A\.220905\.004|SP1A\.211105\.004|QP1A\.191105\.004|RD2A\.211001|OPR5\.170623|M5C14J|NHG47|MHC19J|"
    r"UKG3\.|(?:PI|QT|RT)$"
)
_TV_OR_PHONE_BUILD: Final = "RP1A.200720.011"
#: By which phones and tablets can be told that would fit a rule below.
_HAND_HELD: Final = re.compile(
    r"(?i)tab|(?<!ev)pad|_EEA|_ROW|_RUS|[34]G$|LTE|^MS\d|phone|lenovo|^W-[KV]|^HITV|^KEMPLER|letv|DTV$|^M20|^BTV|STV1|"
    r"^HTC|^LG-|^TECNO|runbo|turbox|dual core"
)
#: Boxes by their makers' names for them.
_BOX: Final = re.compile(
    r"(?i)box(?![a-z])|tv ?stick|(?:smart|android) stick|^(?:"
    r"a95x|x96|x88|x99|h96|t9[56]|hk1|m8s|mxq|tx[3-9][a-z]?\b|km[1-9](?:pro)?\b|kii pro|"
    r"zidoo|ugoos|mecool|me-cool|magicsee|tanix|minix|neo[- ][xu]\d|beelink|gt-?king|vontar|vorke|nexbox|nexon|evpad|"
    r"formuler|orbsmart|iconbit|rombica|pendoo|transpeed|yundoo|dreamstar|ozone ?hd|selenga|perfeo_pf|vega s95|redline|"
    r"rikomagic|rkm\b|sunvell|scishion|wechip|bqeel|egreat|probox|amlogic|droidlogic|turewell|invin|dangcap|mygica|wetek|"
    r"as_?4k|as51\d|alfawise|dune ?hd|zappiti|r-tv|gtmedia|h-dmp|gtx-r|topsion|hiremco|viva_home|atom-|abx-|"
    r"xgody_x|cyclone x|artline|nogapc|pipo_x|andowl|supermax|toucan|buzztv|avov|"
    r"geniatech|enybox|inext|vermax|imaqliq|cloudnetgo"
    r")"
)
#: Receivers that come from whoever delivers the programmes.
_RECEIVER: Final = re.compile(
    r"(?i)stb|^(?:mag ?[2-5][0-9]{2}|zxv10|b8[67]0|hg680|dv[89][0-9]{3}|uiw4|diw[0-9]{3}|ec6108|sml-|nv-?5|tvip|"
    r"iptv|bouygtel|freebox|decodeur|skyq|oi_?4k)"
)
_BOX_WORD: Final = re.compile(r"(?i)rk3[0-9]{2}|s9[0-9]{2}[xw]|mk[89]0[0-9]|himedia|dongle|media ?player|[48]k\b")
_TV_WORD: Final = re.compile(
    r"(?i)(?:^|[ _-]|smart|iq|pro|portal|a)tv[0-9]?(?:$|[ _-])|^tv[a-z]?-|iptv|\bled|[0-9]led|\bshell\b|uhd|"
    r"\bdvb(?!-t$)"
)
#: The diagonal in inches and then letters: 43U800BR, F32H8050C, TF-LED50S25T2SU.
_INCHES: Final = r"(?:19|2[02346-8]|3[279]|4[02356789]|5[0158]|6[0568]|7[0579]|8[2356]|98|100)"
_SIZED: Final = re.compile(
    rf"(?:^|[ _-]|LED)[A-Z]{{0,4}}{_INCHES}"
    r"(?:[A-Z]{1,4}[0-9_-]?[A-Z]?[0-9]{2,}|[A-Z]{2,5}[0-9]|[_-]?[FU]?HD|LEX|LEM)"
)
_SIZED_LOOSELY: Final = re.compile(rf"(?:^|[ _-]|[A-Z]{{2}}){_INCHES}(?:[A-Z]{{2}}|[A-Z][0-9]{{2}}|[A-Z]$)")


class AndroidDevice(NamedTuple):
    """Either may be empty; `K` is what a browser says that tells no model (its client hints do)."""

    model: str
    build: str


def android_device(agent: str) -> AndroidDevice | None:
    """The device in an agent; None if it names no Android."""
    found = _DEVICE.search(agent)
    return AndroidDevice(found[1].strip(), found[2] or "") if found else None


def kind_named(model: str) -> Kind | None:
    """The kind of a device whose model is known by name, or has a word of its kind in it."""
    named = _kind_of_series(model)
    if named is not None or _HAND_HELD.search(model):
        return named
    if _RECEIVER.search(model):
        return "set_top"
    if _BOX.search(model):
        return "stick"
    return "tv" if _TV_WORD.search(model) else None


def kind_formed(device: AndroidDevice, *, mobile: bool) -> Kind | None:
    """What the form of a model and the build tell; None where they would fit a phone or tablet as well."""
    model, build = device
    if _HAND_HELD.search(model):
        return None
    if not mobile and _BOX_WORD.search(model):
        return "stick"
    is_tv = (
        _TV_BRANCH.match(build)
        or _TV_BUILD.match(build)
        or _SIZED.search(model)
        or (not mobile and (build == _TV_OR_PHONE_BUILD or _SIZED_LOOSELY.search(model)))
    )
    return "tv" if is_tv else None


def kind_of_amazon(model: str) -> Kind | None:
    """The kind of a device by Amazon's name for it: AFTCA002, AEOAT; what else stands there is its build."""
    name = model.partition(" ")[0]
    if _FIRE.fullmatch(name):
        return "car" if name.startswith(_FIRE_CARS) else "stick" if name in _FIRE_PLAYERS else "tv"
    return "speaker" if _ECHO.fullmatch(name) else None


def is_fire_device(model: str) -> bool:
    """Whether a model is one of Amazon's TVs and players."""
    return _FIRE.fullmatch(model.partition(" ")[0]) is not None


def _kind_of_series(model: str) -> Kind | None:
    amazon = kind_of_amazon(model)
    if amazon is not None:
        return amazon
    if _CAR_RADIOS.match(model) or _CARS.match(model):
        return "car"
    if _HANDHELD_CONSOLES.match(model):
        return "console"
    return "tv" if model.startswith("YNDX-0") else None
