"""The settings of our pages: what the website is called there, and in which languages they are."""

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from .pages.catalogue import CatalogueError
from .pages.languages import Languages, read_languages
from .pages.render import Pages
from .setting_forms import FROM_ENVIRONMENT, Folder, ForeignCookie, listed


class PageSettings(BaseSettings):
    """A part of `Settings`, and read with them."""

    model_config = FROM_ENVIRONMENT

    site_name: str = Field("this website", min_length=1, max_length=60, description="what our pages call the website")
    texts_dir: Folder | None = Field(
        None, description="folder of catalogues (nl.po) whose texts come before ours, or are in further languages"
    )
    languages: str = Field(
        "en", description="languages of our pages, by commas, the first for whoever asks for none; ours: en, nl, ar"
    )
    language_cookie: ForeignCookie = Field(
        "", description="the website's own cookie with the language that its visitor chose; empty: as the browser asks"
    )

    @field_validator("languages")
    @classmethod
    def _can_be_spoken(cls, text: str, earlier: ValidationInfo) -> str:
        try:
            read_languages(listed(text), earlier.data.get("texts_dir"))
        except CatalogueError as error:
            raise ValueError("; ".join(error.problems)) from None
        return text

    def pages(self) -> Pages:
        """What makes our pages."""
        languages = Languages(read_languages(listed(self.languages), self.texts_dir), cookie=self.language_cookie)
        return Pages(self.site_name, languages)
