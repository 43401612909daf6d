"""The counter-examples of docs/revocation.md, as the search finds them.

Written again by `PYTHONPATH=tests .venv/bin/python -m harness.model_chapter`.
"""

from pathlib import Path
from typing import Final

from .explorer import Explored, explore
from .revocation_model import MISTAKES, Model

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "revocation.md"
BEGIN: Final = "<!-- counter-examples: written by tests/harness/model_chapter.py -->\n"
END: Final = "<!-- end of counter-examples -->\n"

#: What these need is told best from the start of a worker.
_FROM_THE_START = ("register-after-load", "load-of-a-former-subscription", "load-from-elsewhere")


def search(model: Model, *starts: str) -> Explored:
    """Every state that can be reached, from all starts or the named ones."""
    chosen = {name: state for name, state in model.starts().items() if not starts or name in starts}
    return explore(chosen, model.successors, model.is_bad)


def counter_example(mistake: str) -> tuple[str, ...] | None:
    """The shortest way to an acceptance after a complete receipt, without a fail-over if there is one; None: none."""
    starts = ("a worker starts",) if mistake in _FROM_THE_START else ("a worker starts", "a worker follows")
    for fail_overs in (0, 1):
        found = search(Model(fail_overs=fail_overs, mistake=mistake), *starts).counter_example
        if found is not None:
            return found
    return None


def chapter() -> str:
    """All of them, in Markdown."""
    parts = []
    for mistake, sentence in MISTAKES.items():
        steps = counter_example(mistake) or ("the search finds nothing",)
        numbered = "\n".join(f"{number:>2}  {step}" for number, step in enumerate(steps))
        parts.append(f"**{mistake}.** {sentence}\n\n```text\n{numbered}\n```\n")
    return "\n".join(parts)


def written() -> str:
    """What the document says now."""
    return DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0]


if __name__ == "__main__":
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    DOCUMENT.write_text(before + BEGIN + chapter() + END + rest.partition(END)[2])
