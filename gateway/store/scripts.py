"""Lua scripts: one act a file, beside its caller, called by name with every key and argument named.

A script opens with its contract; the loader reads it, binds the names as Lua locals on the first line (so line numbers
in errors stay true), and refuses at import a caller whose names differ:

    -- KEYS session account
    -- ARGV presented at_ms
    -- RETURNS {code, n}
    -- INCLUDE ../revocation/append.lua

All keys of one call carry one hash tag, so a script always runs in one Cluster slot; keys that a script derives from a
`prefix` argument carry the same tag.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path
from typing import Any, TypeAlias

from redis.exceptions import NoScriptError

from ..errors import StoreAway
from ..metrics import STORE_FAULTS, STORE_SECONDS
from .client import Store

Value: TypeAlias = str | bytes | int | float


class ScriptContractError(Exception):
    """A script's header and its caller disagree; a programming mistake, found at import."""


@dataclass(frozen=True, slots=True)
class Script:
    """One loaded script: its names, its text and its digest."""

    name: str
    keys: tuple[str, ...]
    args: tuple[str, ...]
    text: str
    digest: str

    async def __call__(
        self,
        store: Store,
        keys: Mapping[str, str],
        args: Mapping[str, Value],
        rest: tuple[Value, ...] = (),
        *,
        replicas: int = 0,
    ) -> Any:
        """Run atomically on the server of its keys; `rest` follows the named arguments as ARGV.

        With `replicas`, for a script that writes: returns when that many have confirmed it. Raises StoreAway if the
        store does not answer in time (the script may or may not have run), and TooFewReplicas (it has).
        """
        ordered_keys = [keys[name] for name in self.keys]
        ordered_args = [args[name] for name in self.args]
        with _measured(self.name):
            return await store.guard(self._run(store, [*ordered_keys, *ordered_args, *rest], replicas))

    async def _run(self, store: Store, words: list[Value], replicas: int) -> Any:
        try:
            return await store.send("EVALSHA", self.digest, len(self.keys), *words, replicas=replicas)
        except NoScriptError:
            return await store.send("EVAL", self.text, len(self.keys), *words, replicas=replicas)


def load(path: Path, *, keys: tuple[str, ...], args: tuple[str, ...]) -> Script:
    """Read a script and hold its header against the names its caller uses.

    Raises ScriptContractError if they differ in name or order, or if a contract line is missing.
    """
    source = path.read_text(encoding="utf-8")
    header = _header(source, path.name)
    for what, declared, used in (("KEYS", header["KEYS"], keys), ("ARGV", header["ARGV"], args)):
        if declared != used:
            raise ScriptContractError(f"{path.name}: {what} are {declared}, its caller says {used}")
    bindings = [
        *(f"local {name}_key = KEYS[{i}]" for i, name in enumerate(keys, 1)),
        *(f"local {name} = ARGV[{i}]" for i, name in enumerate(args, 1)),
    ]
    included = [_include(path, name) for name in header["INCLUDE"]]
    text = "; ".join(bindings) + " " + " ".join(included) + "\n" + source
    return Script(path.stem, keys, args, text, sha1(text.encode(), usedforsecurity=False).hexdigest())


@contextlib.contextmanager
def _measured(script: str) -> Iterator[None]:
    """Note how long a trip took or what went wrong: 4 µs beside the trip's 200."""
    now = asyncio.get_running_loop().time
    began = now()
    try:
        yield
    except StoreAway as away:
        STORE_FAULTS.labels(type(away.__cause__ or away).__name__).inc()
        raise
    STORE_SECONDS.labels(script).observe(now() - began)


def _header(source: str, name: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {"INCLUDE": ()}
    for line in source.splitlines():
        if not line.startswith("--"):
            break
        words = line.removeprefix("--").split()
        if words and words[0] in {"KEYS", "ARGV", "RETURNS", "INCLUDE"}:
            found[words[0]] = found.get(words[0], ()) + tuple(words[1:])
    missing = {"KEYS", "ARGV", "RETURNS"} - found.keys()
    if missing:
        raise ScriptContractError(f"{name}: its header lacks {', '.join(sorted(missing))}")
    return found


def _include(path: Path, name: str) -> str:
    # Comments end at a line's end, and an included file is folded into the first line.
    lines = (path.parent / name).read_text(encoding="utf-8").splitlines()
    return " ".join(line for line in lines if not line.lstrip().startswith("--"))
