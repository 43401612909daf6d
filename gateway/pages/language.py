"""One language of our pages: its texts, and the locale that says how it writes dates, numbers and lists."""

from dataclasses import dataclass
from functools import cache
from gettext import NullTranslations

from babel import Locale
from markupsafe import Markup


def gettext_noop(message: str) -> str:
    """`message` as it is: marks a text for the catalogues where the reader's language is not known yet."""
    return message


def isolated(text: str) -> Markup:
    """A name or code within a sentence, so that its direction turns nothing around it."""
    return Markup("<bdi>{}</bdi>").format(text)


@dataclass(frozen=True, slots=True)
class Language:
    """`tag` is as in BCP 47 ("en", "pt-BR"). A text is HTML that we wrote; the values put into it are escaped."""

    tag: str
    locale: Locale
    texts: NullTranslations

    @property
    def direction(self) -> str:
        """`ltr` or `rtl`."""
        return str(self.locale.text_direction)

    def gettext(self, message: str, **values: object) -> Markup:
        """The text that is `message` in English, with its `%(name)s` filled in."""
        return _filled(self.texts.gettext(message), values)

    def ngettext(self, singular: str, plural: str, num: int, **values: object) -> Markup:
        """The form of a text that goes with the number `num`, which is filled in as `%(num)s`."""
        return _filled(self.texts.ngettext(singular, plural, num), {"num": num, **values})


def _filled(text: str, values: dict[str, object]) -> Markup:
    return Markup(text) % values  # noqa: S704 - our own text; the values are escaped


@cache
def english() -> Language:
    """What our texts are written in: British dates, for a clock of 24 hours."""
    return Language("en", Locale.parse("en_GB"), NullTranslations())
