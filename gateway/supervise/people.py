"""What shippers and replays are told of people, made from the settings."""

from ..clock import Clock
from ..settings import Settings
from ..shipping.consent import Signal
from ..shipping.daily import Daily
from ..shipping.policy import PeoplePolicy
from ..shipping.pseudonyms import Pseudonyms
from ..tokens.keyring import KeyRing


def people_policy(chosen: Settings, daily: Daily, clock: Clock) -> PeoplePolicy:
    """The policy of a shipper. Raises KeyFileError, PseudonymKeyError."""
    return PeoplePolicy(
        KeyRing.load(chosen.keys_path, clock),
        Pseudonyms.at(chosen.data_dir),
        signals=_signals(chosen),
        daily=daily if chosen.unconsented_visitors == "daily" else None,
    )


def letters_policy(chosen: Settings) -> PeoplePolicy:
    """The policy of a replay: dead letters have neither cookies nor addresses. Raises PseudonymKeyError."""
    return PeoplePolicy(None, Pseudonyms.at(chosen.data_dir), signals=_signals(chosen))


def _signals(chosen: Settings) -> frozenset[Signal]:
    return chosen.refusing_signals()
