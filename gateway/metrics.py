"""Every metric: its name, unit and labels (docs/metrics.md tells their values).

No label holds anything of a visitor's. Hot paths count in plain integers (hot_counts.py).
"""

from collections.abc import Iterable
from typing import Final

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.samples import Sample


class OwnGauge(Gauge):
    """A gauge that a process exposes only once it has set it.

    prometheus_client writes a 0 for every process that imports the metric, and the 0 of one that never sets it wins the
    minimum over all.
    """

    _is_set = False

    def set(self, value: float) -> None:
        """Set it, and expose it from now on."""
        if not self._is_set:
            super()._metric_init()
            self._is_set = True
        super().set(value)

    def _metric_init(self) -> None:
        # Called when it is made: see `set`.
        pass

    def _child_samples(self) -> Iterable[Sample]:
        return super()._child_samples() if self._is_set else ()


VERIFY: Final = Counter("latchstring_verify", "Checks of a visitor, by outcome.", ["outcome"])
SESSIONS_STARTED: Final = Counter(
    "latchstring_sessions_started", "Sign-ins, by whether the box was ticked.", ["remembered"]
)
BRIDGE: Final = Counter("latchstring_bridge", "Visitors with the website's old cookie, by outcome.", ["outcome"])
CREDENTIALS: Final = Counter("latchstring_credentials", "Credentials brought to the store, by outcome.", ["outcome"])
ACTIVATIONS: Final = Counter("latchstring_activations", "Steps of activating TVs and consoles.", ["outcome"])
FINGERPRINTS: Final = Counter(
    "latchstring_fingerprints", "Devices that were new to their account, by what they looked like.", ["verdict"]
)
HOOK_ATTEMPTS: Final = Counter(
    "latchstring_hook_attempts", "Events that were offered to a hook, by what became of the attempt.", ["outcome"]
)
HOOK_PAUSED: Final = OwnGauge(
    "latchstring_hook_paused", "1 while nothing is sent to a hook.", ["hook"], multiprocess_mode="mostrecent"
)
HOOK_FAILING: Final = OwnGauge(
    "latchstring_hook_failing_seconds",
    "For how long a hook's receiver has taken nothing; 0 while it takes what it is sent.",
    ["hook"],
    multiprocess_mode="mostrecent",
)
HOOK_BACKLOG: Final = OwnGauge(
    "latchstring_hook_backlog_seconds",
    "How long the oldest event has waited that a hook has not taken.",
    ["hook"],
    multiprocess_mode="mostrecent",
)
HOOK_HELD: Final = OwnGauge(
    "latchstring_hook_held_accounts",
    "Accounts whose events a hook's receiver refuses.",
    ["hook"],
    multiprocess_mode="mostrecent",
)
HOOK_DEAD: Final = OwnGauge(
    "latchstring_hook_dead_events",
    "Events of a hook that were given up and are kept.",
    ["hook"],
    multiprocess_mode="mostrecent",
)
TRIALS: Final = Counter(
    "latchstring_trials", "Claims to free trials and questions about them, by outcome.", ["outcome"]
)
RECOGNITIONS: Final = Counter("latchstring_recognitions", "Second looks at devices, by outcome.", ["outcome"])
REVOCATIONS: Final = Counter("latchstring_revocations", "Revocations by the status of their first receipt.", ["status"])
REVOCATION_LAG: Final = Histogram(
    "latchstring_revocation_lag_seconds",
    "From appending a revocation to a worker's applying it, by the store's clock, once for each worker.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60),
)
STORE_SECONDS: Final = Histogram(
    "latchstring_store_seconds",
    "Round trips to the store that were answered, waiting for a connection included, by script.",
    ["script"],
    buckets=(0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2),
)
STORE_FAULTS: Final = Counter("latchstring_store_faults", "Scripts that were not answered, by the fault.", ["fault"])
FENCES: Final = Counter("latchstring_fences", "What became of the workers' fences.", ["event"])
FENCE_HOLDS: Final = OwnGauge(
    "latchstring_fence_holds", "1 while this worker may accept leases without the store.", multiprocess_mode="livemin"
)
PASSPORTS_MINTED: Final = Counter(
    "latchstring_passports_minted", "Passports signed: one for each lease, level and worker."
)
KEY_AGE: Final = OwnGauge(
    "latchstring_key_age_seconds",
    "Age of the key that signs (signing) and of the oldest that still verifies (oldest).",
    ["key"],
    multiprocess_mode="livemax",
)
KEY_FILE_USABLE: Final = OwnGauge(
    "latchstring_key_file_usable",
    "0 while the key file is broken and the keys in memory serve.",
    multiprocess_mode="livemin",
)
KEYS_IN_STEP: Final = OwnGauge(
    "latchstring_keys_in_step",
    "0 while other workers use a key that is not in this host's file.",
    multiprocess_mode="livemin",
)
PLACE_DATA_AGE: Final = OwnGauge(
    "latchstring_place_data_age_seconds",
    "Since the data were made that tell countries and providers of addresses.",
    ["data"],
    multiprocess_mode="livemax",
)
MAIL: Final = Counter(
    "latchstring_mail",
    "Links of mails that were followed and pixels that were fetched, by outcome.",
    ["what", "outcome"],
)
JOURNAL_HEALTHY: Final = OwnGauge(
    "latchstring_journal_healthy", "1 while hits can be kept on disk.", multiprocess_mode="livemin"
)
JOURNAL_FSYNC: Final = OwnGauge(
    "latchstring_journal_fsync",
    "1 for the policy by which the journal is synced.",
    ["policy"],
    multiprocess_mode="livemin",
)
HITS: Final = Counter("latchstring_hits", "Beacon requests that were answered, by outcome.", ["outcome"])
LEDGER: Final = OwnGauge(
    "latchstring_ledger_events",
    "Events that are committed, by source and what became of them.",
    ["source", "outcome"],
    multiprocess_mode="mostrecent",
)
EVENTS_SHIPPED: Final = Counter(
    "latchstring_events_shipped", "Events that a shipper has read from the journal, whatever became of them."
)
DECODER_FAILURES: Final = Counter(
    "latchstring_decoder_failures",
    "Events that became dead letters by a fault of our own code, by what was being done.",
    ["stage"],
)
UNREADABLE_RECORDS: Final = OwnGauge(
    "latchstring_unreadable_records", "Records of a warehouse that cannot be read.", multiprocess_mode="mostrecent"
)
SEGMENTS_HELD_UP: Final = OwnGauge(
    "latchstring_segments_held_up",
    "Journal segments that a shipper could not ship and tries again, later and later.",
    multiprocess_mode="livemax",
)
SEGMENT_FAILURES: Final = Counter("latchstring_segment_failures", "Attempts to ship a segment that failed.")
FIELDS_DROPPED: Final = Counter(
    "latchstring_fields_dropped",
    "Fields that could not be read and were left out of events that count.",
    ["source", "code"],
)
EXCLUDED: Final = OwnGauge(
    "latchstring_excluded_events",
    "Events that a policy kept out of the warehouse, by reason.",
    ["reason"],
    multiprocess_mode="mostrecent",
)
SINK_BYTES: Final = OwnGauge(
    "latchstring_sink_waiting_bytes",
    "Size of the Parquet files that wait for the sink.",
    multiprocess_mode="mostrecent",
)
SINK_SECONDS: Final = OwnGauge(
    "latchstring_sink_waiting_seconds",
    "Since the longest waiting commit was made; 0 without any.",
    multiprocess_mode="mostrecent",
)
SINK_HELD_UP: Final = OwnGauge(
    "latchstring_sink_held_up_records",
    "Commits and adjustments that could not be sent to the sink, for a reason of their own, and are tried again.",
    multiprocess_mode="mostrecent",
)
SINK_FAILURES: Final = Counter(
    "latchstring_sink_failures", "Attempts to send a commit or adjustment that failed for a reason of its own."
)
BACKLOG_BYTES: Final = OwnGauge(
    "latchstring_backlog_bytes", "Size of the journal segments that wait to be shipped.", multiprocess_mode="livemax"
)
BACKLOG_SECONDS: Final = OwnGauge(
    "latchstring_backlog_seconds",
    "Since the longest waiting segment was last written to; 0 without any.",
    multiprocess_mode="livemax",
)

HUNG_UP: Final = Counter("latchstring_hung_up", "Requests whose client hung up before the body was complete.")
DISK_FREE: Final = OwnGauge(
    "latchstring_disk_free_bytes", "What is left of the journal's file system.", multiprocess_mode="livemin"
)
DISK_RESERVE: Final = OwnGauge(
    "latchstring_disk_reserve_bytes",
    "With less than this free, hits are answered 503 (LATCHSTRING_DISK_RESERVE_BYTES).",
    multiprocess_mode="livemax",
)

UNREADABLE_REVOCATIONS: Final = Counter(
    "latchstring_unreadable_revocations",
    "Entries of revocation streams that could not be read; their partitions are sent to the store meanwhile.",
)
UNREADABLE_ROWS: Final = OwnGauge(
    "latchstring_registry_rows_unreadable",
    "Workers whose row in the registry cannot be read; receipts wait for them.",
    multiprocess_mode="livemax",
)
LEDGER_DIFFERENCE: Final = OwnGauge(
    "latchstring_ledger_difference_events",
    "Events that are committed and not accounted for; 0 if the ledger adds up.",
    multiprocess_mode="mostrecent",
)
LEDGER_DAMAGED: Final = OwnGauge(
    "latchstring_ledger_damaged_bytes",
    "Bytes of the journal that could not be read, of all that is committed.",
    multiprocess_mode="mostrecent",
)
INDEX_MISSING: Final = OwnGauge(
    "latchstring_index_missing_commits",
    "Commits whose events are not in the index yet, so that a tracker's retry of one may count twice.",
    multiprocess_mode="mostrecent",
)
ERASURE_SECONDS: Final = OwnGauge(
    "latchstring_erasure_waiting_seconds",
    "Since the oldest erasure was asked for that is not complete in this node's warehouse; 0 without any.",
    multiprocess_mode="mostrecent",
)
ERASURE_UNREAD: Final = OwnGauge(
    "latchstring_erasure_unread_files",
    "Files that erasures have yet to search and that cannot be read.",
    multiprocess_mode="mostrecent",
)
TASK_FAILURES: Final = Counter("latchstring_task_failures", "Turns of background tasks that failed.", ["task"])
TASK_OVERDUE: Final = OwnGauge(
    "latchstring_task_overdue",
    "1 while a background task fails, or has not finished a turn within its time.",
    ["task"],
    multiprocess_mode="livemax",
)

CHILD_DOWN: Final = OwnGauge(
    "latchstring_child_down",
    "1 while a child process is not running, has just been restarted after a death, or is silent.",
    ["child"],
    multiprocess_mode="livemax",
)
CHILD_DEATHS: Final = OwnGauge(
    "latchstring_child_deaths",
    "Deaths of a child process since its supervisor started.",
    ["child"],
    multiprocess_mode="livemax",
)
UNEXPECTED_ERRORS: Final = Counter(
    "latchstring_unexpected_errors", "Requests that met a bug of ours and were answered 503, by where.", ["where"]
)


# An alert on a growth needs a series that stood at 0 before: the first one of its kind would be no growth.
for _status in ("complete", "partial", "unconfirmed"):
    REVOCATIONS.labels(_status)
for _outcome in ("reuse", "unknown"):
    CREDENTIALS.labels(_outcome)
for _where in ("app", "fast"):
    UNEXPECTED_ERRORS.labels(_where)
for _stage in ("decode", "enrich", "policy", "row"):
    DECODER_FAILURES.labels(_stage)


def revocation_applied(*, at_ms: int, store_ms: int) -> None:
    """A worker has applied what was appended at `at_ms`; not counted before it has heard the store's time (0)."""
    if store_ms:
        REVOCATION_LAG.observe(max(store_ms - at_ms, 0) / 1000)
