"""Every key in the store: its shape, type and owner, and the partition whose hash tag it carries.

Accounts are spread over 256 partitions, a number that never changes. Each partition has one hash tag, chosen so that
the tags' slots (CRC16 of the tag modulo 16384, Redis Cluster specification) are 64 apart: evenly spread over a Cluster
of any number of masters. All keys of an account carry its partition's tag, so every script stays in one slot.

| key | type | lives | owner |
|---|---|---|---|
| `{tag}:account:<account>` | hash | with the account; TTL 24 hours once erased | sign-in creates, erasure deletes |
| `{tag}:session:<id>` | hash, ended or not | TTL: longer than any token of it is good | sessions |
| `{tag}:device:<id>` | hash | with the account; TTL once removed | sessions create, revocation removes |
| `{tag}:devices:<account>` | set of device ids | with the account | sessions, revocation |
| `{tag}:sessions:<account>` | sorted set: session ids by beginning | only with a limit; TTL as a session | sessions |
| `{tag}:browser:<account>:<browser>` | string: device id | TTL 400 days, as the cookie | sessions |
| `{tag}:revocations` | stream | trimmed to 24 hours | revocation |
| `{tag}:number` | integer: entries ever written | for ever, 256 of them | revocation |
| `{tag}:generations` | hash: last given, floor, not_before_ms | for ever, 256 of them | revocation |
| `{tag}:home` | hash: run id and epoch of its server, and since when | for ever, 256 of them | revocation |
| `{tag}:receipt:<id>` | hash | TTL 24 hours | revocation |
| `{tag}:everybody:<act>` | hash: at_ms, generation | TTL 24 hours | revocation |
| `{tag}:repeat:<account>:<key>` | string: revocation id | TTL 24 hours | revocation |
| `{tag}:bound-act:<hash of a key>` | string: hash of the act it came with | TTL 24 hours | revocation |
| `{tag}:outbox` | stream | trimmed to 7 days | hooks |
| `{tag}:outbox:cursors` | hash: hook -> last id dealt with | with the hook | hooks |
| `{tag}:held:<hook>` | hash: account -> ids of its events that are tried again, at most 100 | with the hook | hooks |
| `{tag}:grant:<hash of a device code>` | hash | TTL: twice the life of its codes | activation |
| `{tag}:user-code:<code>` | string: hash of its device code | TTL: the life of the codes | activation |
| `{tag}:budget:<hash>` | integer: attempts in a window | TTL 10 minutes | activation |
| `{tag}:spent-proof:<hash>` | string: 1 | TTL 7 minutes | activation |
| `{tag}:trial:<tag of an identifier>` | string: ids of claims | TTL `LATCHSTRING_TRIAL_DAYS` | trials |
| `{tag}:trial-claim:<id>` | hash | the same | trials |
| `{tag}:trial-askers:<tag of an identifier>` | string: how many accounts showed it | the same | trials |
| `{tag}:trial-permit:<tag of an account>` | hash | TTL 30 days, or until used | trials |
| `{tag}:trial-keys:<trial>` | sorted set: ids of keys by the end of their last claim, ms | TTL: that end | trials |
| `{tag}:hardware-showers:<tag of an id>` | string: how many accounts' devices stated it | TTL 400 days | fingerprint |
| `{tag0}:deployment` | hash | for ever | the pulse; moving adds its secret, format_check its mark |
| `{tag0}:workers` | hash: worker -> row | until goodbye or a revoker's patience | revocation |
| `{tag0}:pulses` | hash: worker -> "contact now" in ms | as its worker's row | revocation |
| `{tag0}:agreed-keys` | hash: key id -> since when every worker knows it | until the key is retired | revocation |
| `{tag0}:key-knowers` | hash: key id -> how many workers know it | for ever, a field for each key | revocation |
| `{tag0}:service-keys` | hash: key id -> row | until revoked | service_keys |
| `{tag0}:links-until` | sorted set: key id by when its last link is over, ms | for ever, an entry for each key | mail |
| `{tag0}:trials` | set: names of trials, at most 1,000 | for ever | trials |
| `{tag0}:erasures` | sorted set: whom to erase, as keyed hashes, by time of request | an entry for 400 days | privacy |
| `{tag0}:deliverer` | string: lock | TTL 5 seconds | hooks |
| `{tag0}:hooks` | hash: hook id -> row | until removed | hooks |
| `{tag0}:waiting-codes` | sorted set: hashes of device codes by expiry | TTL: the life of the codes | activation |
| `{tag0}:hook-pauses` | hash: hook -> why nothing is sent, and since when | until resumed | hooks |
| `{tag0}:hook-states` | hash: hook -> how its delivery goes | with the hook | hooks |
| `{tag0}:dead-hooks:<hook>` | stream: events that were given up | trimmed to 10,000; TTL 14 days | hooks |
| `{tag0}:hook-replays:<hook>` | stream: dead events that are sent once more | TTL 14 days | hooks |
| `{tag0}:dead-hooks` | stream of an older release | read only | hooks |

Channels (sharded pub/sub): `{tag}:revocations` rings for each entry, `{tag0}:acks:<worker>` carries acknowledgements.
"""

from hashlib import sha256
from typing import Final

from ..ids import Account

PARTITIONS: Final = 256

# The first three-character string in the order 0-9a-z that lands nearest above each multiple of 64; test_keys.py
# computes them again. Never edit: a changed tag orphans every key of its partition.
_TAGS: Final = (
    "1bz5n353td5mnbd7mej3j3xc04sa2jif50i4o4mcu4kec2jbdlj5js57492e3elbcu74bfvs0034xrakm0mt23ecqt6bkgdr"
    "5nwdhn96a530bgq3ahfrw70fpt60470ip4e9c1x27aoin6fo5j79ofd1i57p7iafox38oj7n4x600w0m04ayc58g9q2nfkag"
    "17ph8qhe61j7n7n78obox3ia0ay4m040w0x6oag6nfc9qg58130hx9hav1nw30fbrw7ahfgq0e94ip44781f2fokin67ag1x"
    "h851741jsherbvs34bfcu7el4mtekm0xr403cdr2bkgqt63eqsu13t1n35bz7xcn3j3mejbd4i48lee2j44s6jboecgu4k4m"
    "fjl7lu7123ys1cjhlk52d975265k94cmk2kr05ca3z4dmebtng47h575rf3k9n25kch5l93u22u6z4blk2o2m2k4ybice0ld"
    "7l1nc03y771v5og9j61zah1hc0h26q2k6kd749n8x78axany7hq3d8wu7756hho1gn9315rh6zp2212ovcioasv01g8e8aj9"
    "356su77d83hq1rhh9a5gndawgio6ov6212zp8iqafp41g84631v7y7jc03l1d8p5zaqkn1ogod76k666qg0h8m1ab0i6o09n"
    "b3k35r3h5jg4aqul5l1kchdb6o2flk2z462u4ld8i50ybi2k7ys3123lubjlhym12ddes5cj6krgmko94665abt0dm80245c"
)
TAGS: Final = tuple(_TAGS[i : i + 3] for i in range(0, 3 * PARTITIONS, 3))
_PREFIXES: Final = tuple(f"{{{tag}}}:" for tag in TAGS)


def partition_of(account: Account) -> int:
    """The partition (0 to 255) of an account: the first byte of the SHA-256 of its name."""
    return sha256(account.encode()).digest()[0]


def partition_of_trial(trial: str) -> int:
    """The partition in which everything of a trial lies: the first byte of the SHA-256 of its name."""
    return sha256(trial.encode()).digest()[0]


def prefix(partition: int) -> str:
    """What every key of the partition starts with: its hash tag in braces and a colon."""
    return _PREFIXES[partition]


def account(name: Account) -> str:
    """The account's own record."""
    return f"{prefix(partition_of(name))}account:{name}"


def session(partition: int, session_id: str) -> str:
    """One session's record."""
    return f"{prefix(partition)}session:{session_id}"


def device(partition: int, device_id: str) -> str:
    """One device row."""
    return f"{prefix(partition)}device:{device_id}"


def devices(name: Account) -> str:
    """The ids of an account's devices."""
    return f"{prefix(partition_of(name))}devices:{name}"


def sessions(name: Account) -> str:
    """The sessions of an account that may still live, where their number is limited."""
    return f"{prefix(partition_of(name))}sessions:{name}"


def browser(name: Account, browser_id: str) -> str:
    """Which device a browser is for an account."""
    return f"{prefix(partition_of(name))}browser:{name}:{browser_id}"


def revocations(partition: int) -> str:
    """The partition's stream of revocations, and the name of the channel that rings for it."""
    return f"{prefix(partition)}revocations"


def number(partition: int) -> str:
    """How many entries the partition's stream has ever had."""
    return f"{prefix(partition)}number"


def generations(partition: int) -> str:
    """The last generation an account of the partition was given, and the one below which nobody is signed in."""
    return f"{prefix(partition)}generations"


def home(partition: int) -> str:
    """Which server holds the partition, and since when."""
    return f"{prefix(partition)}home"


def receipt(partition: int, revocation_id: str) -> str:
    """What is known about one revocation."""
    return f"{prefix(partition)}receipt:{revocation_id}"


def everybody(partition: int, act: str) -> str:
    """That the partition has had its part of an act which signs everybody out."""
    return f"{prefix(partition)}everybody:{act}"


def bound_act(key_hash: str) -> str:
    """Which act an idempotency key came with; the partition is any, the same for one key."""
    return f"{prefix(sha256(key_hash.encode()).digest()[0])}bound-act:{key_hash}"


def outbox(partition: int) -> str:
    """The partition's events for hooks."""
    return f"{prefix(partition)}outbox"


def cursors(partition: int) -> str:
    """How far each hook has been told of the partition's outbox."""
    return f"{prefix(partition)}outbox:cursors"


def held_events(partition: int, hook_id: str) -> str:
    """The events of the partition's outbox that a hook's receiver refused, by account."""
    return f"{prefix(partition)}held:{hook_id}"


def dead_events(hook_id: str) -> str:
    """The events that a hook's receiver never took."""
    return f"{_PREFIXES[0]}dead-hooks:{hook_id}"


def replays(hook_id: str) -> str:
    """The dead events of a hook that somebody wants sent once more."""
    return f"{_PREFIXES[0]}hook-replays:{hook_id}"


def grant(partition: int, code_hash: str) -> str:
    """One grant of a device, by the hash of its device code; the partition is its user code's."""
    return f"{prefix(partition)}grant:{code_hash}"


def user_code(partition: int, code: str) -> str:
    """Which grant a user code stands for."""
    return f"{prefix(partition)}user-code:{code}"


def budget(partition: int, name: str) -> str:
    """How many attempts somebody has made."""
    return f"{prefix(partition)}budget:{name}"


def spent_proof(partition: int, name: str) -> str:
    """That a proof of a key was used."""
    return f"{prefix(partition)}spent-proof:{name}"


def trial_key_ids(trial: str) -> str:
    """The keys of the ring under which a trial was claimed."""
    return f"{prefix(partition_of_trial(trial))}trial-keys:{trial}"


def trial_permit(trial: str, account_tag: str) -> str:
    """That an account may claim a trial once more."""
    return f"{prefix(partition_of_trial(trial))}trial-permit:{account_tag}"


def hardware_showers(partition: int, stated: str) -> str:
    """How many accounts' devices have stated a hardware id, by its tag."""
    return f"{prefix(partition)}hardware-showers:{stated}"


DEPLOYMENT: Final = f"{_PREFIXES[0]}deployment"
WORKERS: Final = f"{_PREFIXES[0]}workers"
PULSES: Final = f"{_PREFIXES[0]}pulses"
AGREED_KEYS: Final = f"{_PREFIXES[0]}agreed-keys"
KEY_KNOWERS: Final = f"{_PREFIXES[0]}key-knowers"
WAITING_CODES: Final = f"{_PREFIXES[0]}waiting-codes"
SERVICE_KEYS: Final = f"{_PREFIXES[0]}service-keys"
TRIALS: Final = f"{_PREFIXES[0]}trials"
ERASURES: Final = f"{_PREFIXES[0]}erasures"
LINKS_UNTIL: Final = f"{_PREFIXES[0]}links-until"
DELIVERER_LOCK: Final = f"{_PREFIXES[0]}deliverer"
HOOKS: Final = f"{_PREFIXES[0]}hooks"
HOOK_PAUSES: Final = f"{_PREFIXES[0]}hook-pauses"
HOOK_STATES: Final = f"{_PREFIXES[0]}hook-states"
DEAD_HOOKS: Final = f"{_PREFIXES[0]}dead-hooks"


def acks(worker: str) -> str:
    """The channel on which a worker hears that others have applied its revocations."""
    return f"{_PREFIXES[0]}acks:{worker}"
