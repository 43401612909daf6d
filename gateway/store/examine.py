"""Can this store keep the promises? Asked of each of its servers at start: what must be refused, and what be told."""

from dataclasses import dataclass, field
from typing import Any, Final

from .assurance import settings_of
from .client import ALL, Node, Store

#: Sharded pub/sub came with it; Valkey says 7.2 of itself here.
_OLDEST: Final = (7, 0)
_LONGEST_LAG_SECONDS: Final = 2


@dataclass(slots=True)
class Findings:
    """One line for each finding, with its remedy; nothing starts while there are `refused` ones."""

    refused: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)


async def examine(store: Store) -> Findings:
    """Ask every server. Raises StoreAway if one does not answer: that is no finding, workers wait for it."""
    findings = Findings()
    for partitions in await store.shares():
        node = await store.node_of(partitions[0])
        info: dict[str, Any] = await store.guard(node.redis.info("everything"))
        _judge_server(info, _name(node), findings)
        _judge_replicas(max(int(info["connected_slaves"]), node.replicas), info, store, _name(node), findings)
        _judge_settings(await settings_of(store, node), info, _name(node), findings)
    return findings


def _name(node: Node) -> str:
    return "the store" if node.place is None else f"the store at {node.place[0]}:{node.place[1]}"


def _judge_server(info: dict[str, Any], name: str, findings: Findings) -> None:
    version = str(info["redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
        findings.refused.append(f"{name} is version {version}, and sharded pub/sub needs 7.0: use a newer one")
    if info["role"] != "master":
        findings.refused.append(f"{name} is a replica, and nothing can be written there: name the primary")
    policy = str(info["maxmemory_policy"])
    if policy != "noeviction":
        line = f"{name} has maxmemory-policy {policy}, which forgets sessions and revocations: set noeviction"
        (findings.refused if info["maxmemory"] else findings.warned).append(line)
    if not info["aof_enabled"]:
        findings.warned.append(
            f"{name} keeps no append-only file, so a restart signs everybody out: set appendonly yes "
            "and appendfsync always"
        )


def _judge_replicas(has: int, info: dict[str, Any], store: Store, name: str, findings: Findings) -> None:
    connected, checks, writes = int(info["connected_slaves"]), store.replicas.checks, store.replicas.writes
    if writes >= ALL:
        writes = max(has, 1)
    if checks + writes < has:
        findings.refused.append(
            f"{name} has {has} replicas, and LATCHSTRING_STORE_CHECK_REPLICAS ({checks}) and "
            f"LATCHSTRING_STORE_WRITE_REPLICAS ({writes}) must together be at least as many: of two primaries in a "
            "partition, both could be believed"
        )
    if has and not writes:
        findings.refused.append(f"{name} has replicas: set LATCHSTRING_STORE_WRITE_REPLICAS to 1 or more")
    elif 0 < writes < has:
        _judge_loss(has, store, name, findings)
    if connected < max(checks, writes):
        findings.warned.append(
            f"{name} has {connected} replicas now, and {max(checks, writes)} must confirm: until then sign-ins "
            "and removals are answered 503"
        )


def _judge_loss(has: int, store: Store, name: str, findings: Findings) -> None:
    writes = store.replicas.writes
    what = (
        f"{name} has {has} replicas, and {writes} confirms what is told: a fail-over to another one loses removals and "
        "sign-ins that were answered"
    )
    if store.is_replaceable and not store.replicas.may_lose:
        findings.refused.append(
            f"{what}: remove LATCHSTRING_STORE_WRITE_REPLICAS (or set {has}), or accept the loss with "
            "LATCHSTRING_STORE_MAY_LOSE_CONFIRMED=true"
        )
    else:
        findings.warned.append(
            f"{what}, and receipts say durable: false; set LATCHSTRING_STORE_WRITE_REPLICAS to {has}"
        )


def _judge_settings(config: dict[str, str], info: dict[str, Any], name: str, findings: Findings) -> None:
    if not config:
        findings.warned.append(
            f"{name} hides its settings, so receipts say durable: false; ask its provider for appendfsync always, "
            f"min-replicas-to-write 1 and min-replicas-max-lag {_LONGEST_LAG_SECONDS}"
        )
        return
    if info["aof_enabled"] and config.get("appendfsync") != "always":
        findings.warned.append(
            f"{name} has appendfsync {config.get('appendfsync')}: receipts say durable: false, unless WAITAOF is seen "
            "to wait there; set appendfsync always"
        )
    if not info["connected_slaves"]:
        return
    if int(config.get("min-replicas-to-write", 0)) < 1 or int(config.get("min-replicas-max-lag", 0)) not in (
        *range(1, _LONGEST_LAG_SECONDS + 1),
    ):
        findings.warned.append(
            f"{name} goes on taking writes after a fail-over that it has not noticed, and they are lost: set "
            f"min-replicas-to-write 1 and min-replicas-max-lag {_LONGEST_LAG_SECONDS}"
        )
