"""The settings that say what reports cost, whose days they are of, and what partners may see."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings

from .reports.question import Defaults
from .setting_forms import FROM_ENVIRONMENT, Seconds, TimeZone


class ReportSettings(BaseSettings):
    """A part of `Settings`, and read with them."""

    model_config = FROM_ENVIRONMENT

    report_memory_mb: int = Field(
        1_024, ge=128, le=1_048_576, description="memory of one report, in MiB; what does not fit goes to the disk"
    )
    report_seconds: Seconds = Field(120, le=900, description="how long a report may run before it is given up")
    partner_people: int = Field(
        10, ge=3, le=100_000, description="reports for partners withhold rows of fewer people, and what tells of them"
    )
    time_zone: TimeZone = Field(
        "UTC", description="whose days and hours reports are of, an IANA name such as Europe/Amsterdam"
    )
    trailing_slash: Literal["keep", "drop"] = Field(
        "keep", description="whether reports keep /a and /a/ apart as two pages, or drop the slash and count one"
    )

    def report_defaults(self) -> Defaults:
        """What holds for all questions."""
        return Defaults(self.partner_people, self.time_zone, self.trailing_slash == "drop")
