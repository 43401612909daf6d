"""Generated households, whose devices come back under new names, and how often a fingerprint tells who they are.

    PYTHONPATH=tests python -m harness.households [HOUSEHOLDS [SEED]]      the table of docs/fingerprint.md

A household has one to eight devices behind one address; often several televisions of one model. Devices forget who they
are (a browser's cookies are cleared, a television is reset), get updates, move house, and are bought. Some televisions
state an id of their own, some their product line's, some a new one at each start, some none.
"""

import random
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from latchstring_gateway.fingerprint.likeness import Likeness, likenesses, told
from latchstring_gateway.fingerprint.signals import Observed, agreement, fields_of
from latchstring_gateway.tokens.hardware import tags
from latchstring_gateway.tokens.keyring import KeyRing

from .people import RING

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
_START_MS: Final = 1_800_000_000_000
#: Accounts by which an id is a product line's, as the product counts them.
SHARED_AFTER: Final = 20

#: Kind, model, system, client, and how many of a hundred devices are one of these.
_CATALOGUE: Final = (
    ("tv", "Samsung QE55Q80", "Tizen", "", 9),
    ("tv", "LG OLED55C1", "webOS", "", 7),
    ("tv", "TCL 55P635", "Android", "", 6),
    ("stick", "Amazon AFTMM", "Fire OS", "", 4),
    ("console", "PlayStation 5", "", "", 4),
    ("phone", "iPhone", "iOS", "Safari", 16),
    ("phone", "Samsung SM-S918B", "Android", "Chrome", 9),
    ("phone", "Google Pixel 8", "Android", "Chrome", 6),
    ("tablet", "iPad", "iOS", "Safari", 9),
    ("computer", "", "Windows", "Chrome", 12),
    ("computer", "", "Windows", "Edge", 6),
    ("computer", "", "Windows", "Firefox", 3),
    ("computer", "", "macOS", "Safari", 6),
    ("computer", "", "Linux", "Firefox", 3),
)
_TV_LIKE: Final = ("tv", "stick", "console")
#: How many days lie between two uses, on average.
_HABITS_DAYS: Final = {"tv": 1.0, "stick": 1.5, "console": 3.0, "phone": 0.3, "tablet": 2.0, "computer": 1.0}


@dataclass(slots=True)
class _Device:
    """One device of flesh and blood; `rows` are the names under which it has signed in."""

    entry: tuple[str, str, str, str, int]
    ids: str
    number: int
    language: str
    release: int
    rows: list[str] = field(default_factory=list)

    @property
    def group(self) -> str:
        """What it is counted among."""
        kind = self.entry[0]
        return f"{'television' if kind in _TV_LIKE else kind}, {self.ids}" if kind in _TV_LIKE else kind

    def observed(self, chance: random.Random, home: str, ring: KeyRing) -> Observed:
        """What it gives away now."""
        kind, model, system, client, _ = self.entry
        hardware = {
            "own id": f"serial-{self.number}",
            "product line's id": f"line-of-{model}",
            "id of each start": f"start-{chance.random()}",
        }.get(self.ids, "")
        away = kind == "phone" and chance.random() < 0.3
        return Observed(
            hardware=tags(ring, "app", hardware),
            kind=kind,
            model=model,
            system=system,
            client=client,
            hints=f"{system} {self.release // 2}" if client in ("Chrome", "Edge") else "",
            tls=f"t13d{model or client}-{self.release // 3}",
            language=self.language,
            network="mobile" if away else home,
        )


@dataclass(slots=True)
class Rates:
    """How often what was true (of a group) was told as what: at the sign-in, and on the devices page a week later."""

    at_once: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    later: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def of(self, truth: str, told: str, group: str = "", *, later: bool = True) -> float:
        """The share of those that were so and were told this; of all groups that begin so."""
        counts = self.later if later else self.at_once
        so = sum(n for key, n in counts.items() if key[1:] == (truth, told) and key[0].startswith(group))
        return so / max(1, self.tried(truth, group))

    def tried(self, truth: str, group: str = "") -> int:
        """How many were so."""
        return sum(n for key, n in self.later.items() if key[1] == truth and key[0].startswith(group))


def measure(households: int, seed: int, ring: KeyRing = RING) -> Rates:
    """What becomes of that many households in some years."""
    rates, showed = Rates(), dict[str, set[int]]()
    for number in range(households):
        household = _Household(random.Random(f"{seed} {number}"), number, ring, showed)
        for device, at_once, later in household.lives():
            truth = "returns" if len(device.rows) > 1 else "new"
            for counts, one in ((rates.at_once, at_once), (rates.later, later)):
                right = one is not None and one.device in device.rows
                said = "new" if one is None else one.verdict if right or truth == "new" else "another device"
                counts[device.group, truth, said] += 1
    return rates


class _Household:
    """One account: its devices, and the rows that it has of them."""

    def __init__(self, chance: random.Random, number: int, ring: KeyRing, showed: dict[str, set[int]]) -> None:
        self._chance = chance
        self._account = f"account-{number}"
        self._number = number
        self._ring = ring
        self._showed = showed
        self._home = f"network-{number}"
        self._devices = _bought(chance, number, chance.choice(("nl", "de", "en", "fr")))
        self._rows: dict[str, dict[str, str]] = {}
        self._last_seen_ms: dict[str, int] = {}
        self._now_ms = _START_MS

    def lives(self) -> Iterator[tuple[_Device, Likeness | None, Likeness | None]]:
        """Each sign-in under a new name: the device, what it looks like at once, and a week later."""
        waiting = list(self._devices)
        while waiting:
            device = waiting.pop(0)
            self._now_ms += round(self._chance.expovariate(1 / (12 * _DAY_MS)))
            if self._chance.random() < 0.04:
                self._home = f"network-{self._number}-{self._chance.random()}"
            self._everybody_is_used(but=device)
            if device.rows:
                device.release += self._chance.choice((0, 0, 1, 1, 2))
            found, row = self._signs_in(device)
            device.rows.append(row)
            first_seen_ms = self._now_ms
            at_once = told(found, self._last_seen_ms, first_seen_ms=first_seen_ms, last_seen_ms=self._now_ms)
            self._now_ms += 7 * _DAY_MS
            self._everybody_is_used()
            later = told(found, self._last_seen_ms, first_seen_ms=first_seen_ms, last_seen_ms=self._last_seen_ms[row])
            yield device, at_once, later
            if len(device.rows) < 4 and self._chance.random() < 0.6:
                waiting.append(device)

    def _signs_in(self, device: _Device) -> tuple[list[Likeness], str]:
        observed = device.observed(self._chance, self._home, self._ring)
        agreed = {
            row: agreement(self._ring, self._account, observed, fields, now_ms=self._now_ms)
            for row, fields in self._rows.items()
        }
        shared = frozenset(("hardware",)) if self._is_shared(observed.hardware) else frozenset[str]()
        found = likenesses(agreed, kind=observed.kind, shared=shared)
        row = f"row-{len(self._rows)}"
        fields = fields_of(self._ring.signing_key(), self._account, observed, now_ms=self._now_ms)
        self._rows[row] = {**fields, "hardware": observed.hardware}
        self._last_seen_ms[row] = self._now_ms
        return found, row

    def _everybody_is_used(self, but: _Device | None = None) -> None:
        """The names in use are seen now and then; those that a device has forgotten, never again.

        The one that is about to come under a new name was used by the former until it forgot it: hours or weeks ago.
        """
        for device in self._devices:
            if device.rows:
                row, habit = device.rows[-1], _HABITS_DAYS[device.entry[0]]
                ago = self._chance.expovariate(1 / habit) * _DAY_MS
                if device is but:
                    ago = self._chance.choice((_HOUR_MS, 3 * _HOUR_MS, 2 * _DAY_MS, 9 * _DAY_MS, 30 * _DAY_MS))
                self._last_seen_ms[row] = max(self._last_seen_ms[row], self._now_ms - round(ago))

    def _is_shared(self, hardware: str) -> bool:
        if not hardware:
            return False
        accounts = self._showed.setdefault(hardware, set())
        accounts.add(self._number)
        return len(accounts) >= SHARED_AFTER


def _bought(chance: random.Random, number: int, language: str) -> list[_Device]:
    count = chance.choice((1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8))
    weights = [entry[4] for entry in _CATALOGUE]
    same_television = chance.choice([entry for entry in _CATALOGUE if entry[0] == "tv"])
    loves_sameness = chance.random() < 0.4
    devices = []
    for place in range(count):
        entry = chance.choices(_CATALOGUE, weights)[0]
        if loves_sameness and entry[0] == "tv":
            entry = same_television
        ids = "no id"
        if entry[0] in _TV_LIKE:
            # Of a model, all or none state their product line's.
            ids = "product line's id" if entry[1].startswith("TCL") else ""
            ids = ids or chance.choices(("own id", "no id", "id of each start"), (70, 25, 5))[0]
        own = chance.choice(("en", "es")) if chance.random() < 0.1 else language
        devices.append(_Device(entry, ids, number * 10 + place, own, chance.randrange(6)))
    return devices


def table(rates: Rates) -> str:
    """The rates of each group, in Markdown: what is told at once / a week later."""
    lines = [
        "| device | new ones | taken for a former one | returning | known as themselves | taken for another |",
        "|---|---|---|---|---|---|",
    ]
    for group in sorted({key[0] for key in rates.later}):

        def told_so(truth: str, *words: str, of: str = group) -> str:
            both = [sum(rates.of(truth, word, of, later=later) for word in words) for later in (False, True)]
            return " / ".join(f"{share:.1%}" for share in both)

        wrong, right = told_so("new", "same", "likely_same"), told_so("returns", "same", "likely_same")
        counts = [f"{rates.tried(truth, group):,}" for truth in ("new", "returns")]
        lines.append(
            f"| {group} | {counts[0]} | {wrong} | {counts[1]} | {right} | {told_so('returns', 'another device')} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    print(table(measure(*(numbers + [5_000, 1][len(numbers) :]))))  # type: ignore[arg-type]
