"""How well devices are recognised by their agents: `PYTHONPATH=tests .venv/bin/python -m harness.confusion`.

The rules are tuned on the half of the agents whose SHA-256 is even, and reported on the other. `--missed` lists what is
wrong in the first; nothing here shows an agent of the second, so that nobody tunes on it unawares. `--publish` writes
the figures into docs/recognition.md, which a test holds to the code.
"""

import argparse
import platform
import re
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple

from harness.detector_agents import Half, LabelledAgent, labelled_agents, wheel
from latchstring_gateway.recognition import describe as recogniser
from latchstring_gateway.recognition.kinds import KINDS, TELEVISION, Kind

DOCUMENT: Final = Path(__file__).parent.parent.parent / "docs" / "recognition.md"
_BETWEEN: Final = re.compile(r"(<!-- matrix -->\n).*?(<!-- /matrix -->)", re.DOTALL)
#: What somebody holds in his hands or on his lap: none of them may be called a TV.
_NO_TV: Final[frozenset[Kind]] = frozenset({"phone", "tablet", "computer"})

#: How many agents of the first kind were described as the second.
Matrix = Counter[tuple[Kind, Kind]]


class Figures(NamedTuple):
    """Shares of one: TVs, TVs and consoles together, whose kind is right; phones, tablets, computers called TVs."""

    tvs: float
    tvs_and_consoles: float
    called_tvs: float


def matrix(agents: list[LabelledAgent], half: Half) -> Matrix:
    """What becomes of the agents of a half."""
    return Counter((one.kind, recogniser.describe(one.agent).kind) for one in agents if one.half == half)


def is_right(label: Kind, kind: Kind) -> bool:
    """Whether a kind is what a label means: the fixtures call sticks, boxes and receivers TVs."""
    return kind in TELEVISION if label == "tv" else kind == label


def figures(found: Matrix) -> Figures:
    """The figures of a matrix."""
    return Figures(_right(found, {"tv"}), _right(found, {"tv", "console"}), _called_tvs(found))


def _right(found: Matrix, labels: set[Kind]) -> float:
    right = sum(count for (label, kind), count in found.items() if label in labels and is_right(label, kind))
    return right / sum(count for (label, _), count in found.items() if label in labels)


def _called_tvs(found: Matrix) -> float:
    called = sum(count for (label, kind), count in found.items() if label in _NO_TV and kind in TELEVISION)
    return called / sum(count for (label, _), count in found.items() if label in _NO_TV)


def report(agents: list[LabelledAgent]) -> str:
    """The matrix and its figures, in Markdown."""
    found = matrix(agents, "reported")
    labels = [kind for kind in KINDS if any(label == kind for label, _ in found)]
    rows = ["| labelled | " + " | ".join(KINDS) + " | right |", "|---|" + "--:|" * (len(KINDS) + 1)]
    for label in labels:
        counts = [str(found[label, kind] or "") for kind in KINDS]
        rows.append(f"| **{label}** | " + " | ".join(counts) + f" | {_right(found, {label}):.1%} |")
    told, tuned = figures(found), figures(matrix(agents, "tuned"))
    versions = ", ".join(f"{name} {version(name)}" for name in ("ua-parser-rs", "ua-parser-builtins", "user-agents"))
    return "\n".join(
        [
            f"{wheel()}, {versions}; {sum(found.values()):,} agents of the half that is reported on:",
            "",
            *rows,
            "",
            "| | reported half | tuned half |",
            "|---|--:|--:|",
            f"| TVs: kind right at once | {told.tvs:.2%} | {tuned.tvs:.2%} |",
            f"| TVs and consoles: kind right at once | {told.tvs_and_consoles:.2%} | {tuned.tvs_and_consoles:.2%} |",
            f"| phones, tablets and computers called TVs | {told.called_tvs:.2%} | {tuned.called_tvs:.2%} |",
        ]
    )


def published() -> str:
    """What docs/recognition.md says between its marks."""
    found = _BETWEEN.search(DOCUMENT.read_text())
    assert found is not None, f"{DOCUMENT} lacks the marks"
    return found[0]


def microseconds(agents: list[LabelledAgent]) -> float:
    """CPU for an agent that was not seen before: the mean over all of them."""
    recogniser.describe("")
    began = time.process_time()
    for one in agents:
        recogniser.describe(one.agent)
    return (time.process_time() - began) / len(agents) * 1e6


def main() -> None:
    """Print, and publish."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--publish", action="store_true", help=f"write the figures into {DOCUMENT.name}")
    parser.add_argument("--missed", action="store_true", help="list what is wrong in the tuned half")
    chosen = parser.parse_args()
    agents = labelled_agents()
    cost = microseconds(agents)
    if chosen.missed:
        for one in agents:
            kind = recogniser.describe(one.agent).kind
            if one.half == "tuned" and not is_right(one.kind, kind):
                print(f"{one.kind} -> {kind}: {one.agent}")
        return
    told = report(agents)
    print(told, f"\n{cost:.0f} µs of CPU for an agent not seen before, Python {platform.python_version()}")
    if chosen.publish:
        text = DOCUMENT.read_text()
        DOCUMENT.write_text(_BETWEEN.sub(lambda marks: f"{marks[1]}{told}\n{marks[2]}", text))


if __name__ == "__main__":
    main()
