"""How an operator has our pages look: logo, colours, and templates of his own."""

from dataclasses import dataclass
from pathlib import Path

from .static import StaticFile, url_of


@dataclass(frozen=True, slots=True)
class Look:
    """What is None looks as we made it; `dark_logo` stands in for `logo` where the scheme is dark."""

    logo: StaticFile | None = None
    dark_logo: StaticFile | None = None
    colours: StaticFile | None = None
    templates: Path | None = None

    @property
    def files(self) -> list[StaticFile]:
        """What has to be served besides our own files."""
        return [file for file in (self.logo, self.dark_logo, self.colours) if file is not None]

    @property
    def logo_url(self) -> str:
        """For templates; empty if there is none, as the other two."""
        return _url(self.logo)

    @property
    def dark_logo_url(self) -> str:
        """See `logo_url`."""
        return _url(self.dark_logo)

    @property
    def colours_url(self) -> str:
        """See `logo_url`."""
        return _url(self.colours)


def _url(file: StaticFile | None) -> str:
    return "" if file is None else url_of(file)
