"""What shippers and replays are told of people, made from the settings."""

from ..clock import Clock
from ..settings import Settings
from ..shipping.consent import Signal
from ..shipping.daily import Daily
from ..shipping.erasures import Erased, Erasures
from ..shipping.policy import PeoplePolicy
from ..shipping.pseudonyms import Pseudonyms
from ..shipping.run import WAREHOUSE
from ..tokens.keyring import KeyRing


def people_policy(chosen: Settings, pseudonyms: Pseudonyms, daily: Daily, clock: Clock) -> PeoplePolicy:
    """The policy of a shipper. Raises KeyFileError."""
    return PeoplePolicy(
        KeyRing.load(chosen.keys_path, clock),
        pseudonyms,
        signals=_signals(chosen),
        daily=daily if chosen.unconsented_visitors == "daily" else None,
        erased=_erased(chosen),
    )


def letters_policy(chosen: Settings) -> PeoplePolicy:
    """The policy of a replay: dead letters have neither cookies nor addresses. Raises PseudonymKeyError."""
    pseudonyms = Pseudonyms.at(chosen.data_dir)
    return PeoplePolicy(None, pseudonyms, signals=_signals(chosen), erased=_erased(chosen))


def _erased(chosen: Settings) -> Erased:
    return Erased(Erasures(chosen.data_dir / WAREHOUSE))


def _signals(chosen: Settings) -> frozenset[Signal]:
    return chosen.refusing_signals()
