"""The settings that say what is known of devices, what they have had, and how many there may be."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings

from .devices.place import Places
from .setting_forms import FROM_ENVIRONMENT, HeaderName, PlaceFile


class DeviceSettings(BaseSettings):
    """A part of `Settings`, and read with them."""

    model_config = FROM_ENVIRONMENT

    data_dir: Path = Field(Path("data"), description="where the store, the keys, the journal and the warehouse live")
    places: bool = Field(default=True, description="whether country and provider of an address are looked up at all")
    country_file: PlaceFile | None = Field(
        None, description="MaxMind DB of countries or cities; none: what `latchstring geo update` fetched, or built in"
    )
    provider_file: PlaceFile | None = Field(
        None, description="MaxMind DB of networks (ASN); none: what `latchstring geo update` fetched, or no provider"
    )
    place_data_days: int = Field(90, ge=1, description="age from which readiness and log warn of data of places")
    tell_country: bool = Field(default=False, description="whether the website is told the country, in X-Latch-Country")
    ja4_header: HeaderName = Field(
        "", description="header in which trusted proxies tell JA4, a client's TLS fingerprint; empty: none is read"
    )
    trial_days: int = Field(730, ge=1, le=3_650, description="how long a claim to a free trial is remembered")
    trial_shared_after: int = Field(
        20,
        ge=0,
        le=48,
        description="accounts by which a hardware id is a product line's and refuses nobody; 0: none is",
    )
    sessions_per_account: int = Field(0, ge=0, le=1_000, description="parallel sessions of an account; 0: no limit")
    sessions_when_full: Literal["end-oldest", "refuse"] = Field(
        "end-oldest", description="what a sign-in does that would be one too many"
    )
    devices_per_account: int = Field(
        200,
        ge=0,
        le=1_000,
        description="devices of an account; one more has to wait until one is given up; 0: no limit",
    )
    remove_wants_password: bool = Field(
        default=False, description="whether a device is removed only by who gave the password in this session"
    )

    def open_places(self) -> Places:
        """Where addresses are looked up. Raises PlaceFileError."""
        if not self.places:
            return Places()
        return Places(self.country_file, self.provider_file, fetched=self.data_dir / "places")
