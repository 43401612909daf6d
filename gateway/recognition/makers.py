"""Brand and model of what stands before a screen: what TVs and consoles say of themselves in forms of their own."""

import re
from typing import Final, NamedTuple

from .android import AndroidDevice


class Make(NamedTuple):
    """Either may be empty."""

    brand: str = ""
    model: str = ""


NO_MAKE: Final = Make()
#: By a word of the agent, in lower case; the first that is in it. Without a model, the forms below may tell it.
_WORDS: Final[tuple[tuple[str, Make], ...]] = (
    ("playstation 5", Make("Sony", "PlayStation 5")),
    ("playstation 4", Make("Sony", "PlayStation 4")),
    ("playstation 3", Make("Sony", "PlayStation 3")),
    ("(ps3)", Make("Sony", "PlayStation 3")),
    ("playstation vita", Make("Sony", "PlayStation Vita")),
    ("playstation portable", Make("Sony", "PSP")),
    ("xbox series x", Make("Microsoft", "Xbox Series X")),
    ("xbox series s", Make("Microsoft", "Xbox Series S")),
    ("xbox one", Make("Microsoft", "Xbox One")),
    ("xbox_one", Make("Microsoft", "Xbox One")),
    ("xbox 360", Make("Microsoft", "Xbox 360")),
    (" xbox", Make("Microsoft", "Xbox")),
    ("nintendo switch 2", Make("Nintendo", "Switch 2")),
    ("nintendo switch", Make("Nintendo", "Switch")),
    ("nintendo wiiu", Make("Nintendo", "Wii U")),
    ("nintendo wii", Make("Nintendo", "Wii")),
    ("nintendo 3ds", Make("Nintendo", "3DS")),
    ("nintendo dsi", Make("Nintendo", "DSi")),
    ("steam deck", Make("Valve", "Steam Deck")),
    ("smartcast", Make("Vizio", "")),
    ("appletv", Make("Apple", "Apple TV")),
    ("apple tv", Make("Apple", "Apple TV")),
    ("roku/", Make("Roku", "")),
    ("devicetype/smartspeaker", Make("Google", "Nest Hub")),
    ("google tv streamer", Make("Google", "Google TV Streamer")),
    ("skyglass", Make("Sky", "Sky Glass")),
    ("sky glass", Make("Sky", "Sky Glass")),
    ("crkey", Make("Google", "Chromecast")),
    ("chromecast", Make("Google", "Chromecast")),
    ("shield android tv", Make("NVIDIA", "Shield TV")),
    ("yandexstation", Make("Yandex", "Station")),
    ("tesla/", Make("Tesla", "")),
)
#: What HbbTV asks of a TV to say (ETSI TS 102 796, section 7.3.2.4): capabilities, maker, model and so on.
_HBBTV: Final = re.compile(r"HbbTV/[\d.]+ ?\([^;)]*;\s*([^;)]*);\s*([^;)]*)[;)]", re.IGNORECASE)
_LG: Final = re.compile(r"LG Browser/[\d.]+ ?\([^;)]*LGE; ([^;)]*);")
_NETRANGE: Final = re.compile(r"\((\w+), ?([^,)]+), ?(?:wired|wireless)", re.IGNORECASE)
#: The same of receivers, whose third part may be blank.
_OPERATOR: Final = re.compile(r"\((sky|comcast|lgi), ?([^,)]+),", re.IGNORECASE)
_VIDAA: Final = re.compile(r"VIDAA/[\d.]+ ?\((\w+);SmartTV;([\w-]+)")
_MODEL: Final = re.compile(r"Model/(\w+)-([\w.-]+)")
#: By words that leave the model to nobody.
_BRANDS: Final[tuple[tuple[str, str], ...]] = (
    ("web0s", "LG"),
    ("netcast", "LG"),
    ("tizen", "Samsung"),
    ("smarthub", "Samsung"),
    ("bravia", "Sony"),
    ("sonydtv", "Sony"),
    ("viera", "Panasonic"),
    ("panasonic", "Panasonic"),
    ("aquos", "Sharp"),
    ("vizio", "Vizio"),
    ("philips", "Philips"),
    ("vidaa", "Hisense"),
    ("roku", "Roku"),
)
_FIRE_TVS: Final = {
    "AFTM": "Fire TV Stick",
    "AFTT": "Fire TV Stick",
    "AFTSS": "Fire TV Stick Lite",
    "AFTSSS": "Fire TV Stick",
    "AFTMM": "Fire TV Stick 4K",
    "AFTKA": "Fire TV Stick 4K Max",
    "AFTKM": "Fire TV Stick 4K",
    "AFTKRT": "Fire TV Stick 4K Max",
    "AFTCA002": "Fire TV Stick 4K Select",
    "AFTA": "Fire TV Cube",
    "AFTR": "Fire TV Cube",
    "AFTGAZL": "Fire TV Cube",
}
_FIRE: Final = re.compile(r"(?<![A-Za-z0-9])AFT[A-Z0-9]{1,10}(?![A-Za-z0-9])")
#: Brands of which we make a name where no model is told: "Samsung TV".
BRANDS: Final = frozenset({make.brand for _, make in _WORDS} | {brand for _, brand in _BRANDS} | {"Amazon"})
_UPPER_CASE_NAMES: Final = frozenset({"LGI", "LG", "TCL", "JVC", "AOC", "KTC", "RCA", "NEC", "NVIDIA"})


def make_of(agent: str, lowered: str, android: AndroidDevice | None) -> Make:
    """What the agent of a TV, player or console says of its make; blank where it says nothing that is known here."""
    for word, make in _WORDS:
        if word in lowered:
            return make
    fire = _FIRE.search(agent)
    if fire:
        return Make("Amazon", _FIRE_TVS.get(fire[0], "Fire TV"))
    brand = next((brand for word, brand in _BRANDS if word in lowered), "")
    lg = _LG.search(agent)
    if lg:
        return Make("LG", _tidy(lg[1]))
    for form in (_HBBTV, _VIDAA, _NETRANGE, _OPERATOR, _MODEL):
        told = form.search(agent)
        if told and told[1].strip():
            return Make(_brand(told[1]), _tidy(told[2]))
    model = android.model if android else ""
    return Make(brand, "" if model.lower() == brand.lower() else model)


def _brand(said: str) -> str:
    """LGE/ATMACA/SUNNY is made by Sunny on a platform of LG's."""
    name = said.strip().rpartition("/")[2].partition("_")[0]
    if name == "LGE":
        return "LG"
    return name.title() if name.isupper() and name not in _UPPER_CASE_NAMES else name


def _tidy(model: str) -> str:
    """The model without what stands for a whole series of software, as in SmartTV2019:UE55RU7100."""
    series, _, own = model.strip(" _;").partition(":")
    return own if series.lower().startswith(("smarttv", "unknown", "-")) else model.strip(" _;")
