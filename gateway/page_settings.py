"""The settings of our pages: what the website is called there, in which languages they are, and how they look."""

from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from .pages.catalogue import CatalogueError
from .pages.colours import chosen_palettes, style_sheet
from .pages.languages import Languages, read_languages
from .pages.logo import read_logo
from .pages.look import Look
from .pages.own_templates import problems_in
from .pages.render import Pages
from .pages.static import hashed
from .setting_forms import FROM_ENVIRONMENT, Folder, ForeignCookie, listed


def _logo(path: Path) -> Path:
    read_logo(path)
    return path


def _colours(text: str) -> str:
    chosen_palettes(text)
    return text


def _templates_folder(path: Path) -> Path:
    problems = problems_in(path)
    if problems:
        raise ValueError("; ".join(problems))
    return path


Logo: TypeAlias = Annotated[Path, AfterValidator(_logo)]
Colours: TypeAlias = Annotated[str, AfterValidator(_colours)]
TemplatesFolder: TypeAlias = Annotated[Folder, AfterValidator(_templates_folder)]


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

    logo_file: Logo | None = Field(None, description="PNG or SVG of at most 128 KiB, shown for the name")
    logo_dark_file: Logo | None = Field(None, description="the same for the dark scheme; none: that one in both")
    colours: Colours = Field(
        "", description="accent, paper, surface, and each with -dark, as in accent=#0b5a55; empty: ours (docs/pages.md)"
    )
    templates_dir: TemplatesFolder | None = Field(
        None, description="folder of templates that stand before ours of the same name"
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
        return Pages(self.site_name, languages, self._look())

    def _look(self) -> Look:
        sheet = style_sheet(chosen_palettes(self.colours))
        return Look(
            logo=None if self.logo_file is None else read_logo(self.logo_file),
            dark_logo=None if self.logo_dark_file is None else read_logo(self.logo_dark_file),
            colours=hashed("colours.css", sheet.encode()) if sheet else None,
            templates=self.templates_dir,
        )
