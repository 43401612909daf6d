-- The tables and views that Latchstring's nodes send to and reports ask; run once in a database of its own.
--
-- Rows are merged by (record_id, unit), so what is sent twice is one row. Most of it never becomes a second one:
-- every insert carries the id of its commit as deduplication token, and the table remembers the last 10,000. Without that
-- setting a MergeTree that is not replicated ignores tokens. On a cluster: ReplicatedReplacingMergeTree, with
-- replicated_deduplication_window = 10000 and replicated_deduplication_window_seconds = 604800.

CREATE TABLE IF NOT EXISTS events (
    `received_at` DateTime64(3, 'UTC'),
    `offset` Int64,
    `unit` Int32,
    `record_id` FixedString(16),
    `source` String,
    `hit_id` Nullable(String),
    `type` String,
    `page` Nullable(String),
    `host` Nullable(String),
    `event_id` Nullable(String),
    `occurred_at` Nullable(DateTime64(3, 'UTC')),
    `properties` Nullable(String),
    `fingerprint` FixedString(16),
    `sent_at` Nullable(DateTime64(3, 'UTC')),
    `app` Nullable(String),
    `platform` Nullable(String),
    `session` Nullable(String),
    `user` Nullable(String),
    `campaign` Nullable(String),
    `referrer_host` Nullable(String),
    `link` Nullable(String),
    `media` Nullable(String),
    `play_state` Nullable(String),
    `position_ms` Nullable(Int64),
    `playback_rate` Nullable(Float64),
    `ping` Nullable(Int64),
    `viewing` Nullable(String),
    `message` Nullable(String),
    `recipient` Nullable(String),
    `fetched_by` Nullable(String),
    `rule` Nullable(String),
    `scheme` Nullable(String),
    `page_raw` Nullable(String),
    `dropped` Nullable(String),
    `device_kind` String,
    `os` String,
    `client` String,
    `language` String,
    `address_prefix` String,
    `gpc` Bool,
    `dnt` Bool,
    `country` Nullable(String),
    `asn` Nullable(Int64),
    `provider` Nullable(String),
    `machine` Nullable(String),
    `visitor` Nullable(String),
    `visitor_kind` Nullable(String),
    `consent` Nullable(String),
    `consent_source` Nullable(String),
    `sharing` Nullable(Bool),
    `tracker_visitor` Nullable(String),
    `conflict` Nullable(Bool),
    `late` Nullable(Bool),
    `happened_at` Nullable(DateTime64(3, 'UTC'))
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(received_at)
ORDER BY (type, toStartOfHour(received_at), record_id, unit)
SETTINGS non_replicated_deduplication_window = 10000;

-- Columns that were added since; a table from before gets them when this file is run again.
ALTER TABLE events
    ADD COLUMN IF NOT EXISTS `scheme` Nullable(String) AFTER `rule`,
    ADD COLUMN IF NOT EXISTS `page_raw` Nullable(String) AFTER `scheme`,
    ADD COLUMN IF NOT EXISTS `dropped` Nullable(String) AFTER `page_raw`;

-- Rows that a node found to be duplicates after it had sent them.
CREATE TABLE IF NOT EXISTS gone (
    `record_id` FixedString(16),
    `unit` Int32
)
ENGINE = ReplacingMergeTree
ORDER BY (record_id, unit)
SETTINGS non_replicated_deduplication_window = 10000;

-- Each node's ledger: what each commit and each adjustment counted, by source and hour of receipt.
CREATE TABLE IF NOT EXISTS counts (
    `commit` String,
    `source` String,
    `hour` String,
    `received` Int64,
    `good` Int64,
    `bad` Int64,
    `duplicate` Int64,
    `excluded` Int64
)
ENGINE = ReplacingMergeTree
ORDER BY (commit, source, hour)
SETTINGS non_replicated_deduplication_window = 10000;

-- Rows received in [since, until) that are a retry, at another node or days later, of one received at most 7 days before:
-- the same event id and content, or another record of the same request id. Of all copies the one with the smallest
-- (received_at, record_id, unit) counts.
CREATE VIEW IF NOT EXISTS duplicates AS
SELECT DISTINCT record_id, unit, source, received_at
FROM (
    SELECT e.record_id AS record_id, e.unit AS unit, e.source AS source, e.received_at AS received_at
    FROM events AS e FINAL
    INNER JOIN (
        SELECT event_id, fingerprint, min((received_at, record_id, unit)) AS first
        FROM events FINAL
        WHERE event_id IS NOT NULL
          AND received_at >= {since:DateTime64(3, 'UTC')} - INTERVAL 7 DAY AND received_at < {until:DateTime64(3, 'UTC')}
        GROUP BY event_id, fingerprint
        HAVING count() > 1
    ) AS f ON e.event_id = f.event_id AND e.fingerprint = f.fingerprint
    WHERE (e.received_at, e.record_id, e.unit) > f.first AND e.received_at <= f.first.1 + INTERVAL 7 DAY
    UNION ALL
    SELECT e.record_id AS record_id, e.unit AS unit, e.source AS source, e.received_at AS received_at
    FROM events AS e FINAL
    INNER JOIN (
        SELECT hit_id, min((received_at, record_id)) AS first
        FROM events FINAL
        WHERE hit_id IS NOT NULL
          AND received_at >= {since:DateTime64(3, 'UTC')} - INTERVAL 7 DAY AND received_at < {until:DateTime64(3, 'UTC')}
        GROUP BY hit_id
        HAVING uniqExact(record_id) > 1
    ) AS f ON e.hit_id = f.hit_id
    WHERE e.record_id != f.first.2 AND e.received_at <= f.first.1 + INTERVAL 7 DAY
)
WHERE received_at >= {since:DateTime64(3, 'UTC')} AND received_at < {until:DateTime64(3, 'UTC')};

-- Clicks on three different links of one mail to one recipient within 5 seconds: a scanner's. Nodes find their own when
-- they fold an hour, after its rows were sent; here those of all nodes are found.
CREATE VIEW IF NOT EXISTS bursts AS
SELECT record_id, unit
FROM (
    SELECT record_id, unit, machine, max(begins) OVER (
        PARTITION BY message, recipient ORDER BY at_ms RANGE BETWEEN 5000 PRECEDING AND CURRENT ROW
    ) AS is_in
    FROM (
        SELECT record_id, unit, machine, message, recipient, toUnixTimestamp64Milli(received_at) AS at_ms,
            uniqExact(link) OVER (
                PARTITION BY message, recipient ORDER BY toUnixTimestamp64Milli(received_at)
                RANGE BETWEEN CURRENT ROW AND 5000 FOLLOWING
            ) >= 3 AS begins
        FROM events FINAL
        WHERE source = 'link' AND recipient IS NOT NULL
          AND received_at >= {since:DateTime64(3, 'UTC')} AND received_at < {until:DateTime64(3, 'UTC')}
    )
)
WHERE is_in AND machine IS NULL;

-- Every event received in [since, until) that counts, once, marked if it is part of a burst: what reports ask.
CREATE VIEW IF NOT EXISTS counted AS
SELECT * REPLACE (
    if(is_burst, 'scanner', machine) AS machine,
    if(is_burst, 'scanner', fetched_by) AS fetched_by,
    if(is_burst, 'burst', rule) AS rule
) EXCEPT is_burst
FROM (
SELECT *, (record_id, unit) IN (
    SELECT record_id, unit
    FROM bursts(since = {since:DateTime64(3, 'UTC')}, until = {until:DateTime64(3, 'UTC')})
) AS is_burst
FROM events FINAL
WHERE received_at >= {since:DateTime64(3, 'UTC')} AND received_at < {until:DateTime64(3, 'UTC')}
  AND (record_id, unit) NOT IN (SELECT record_id, unit FROM gone)
  AND (record_id, unit) NOT IN (
      SELECT record_id, unit
      FROM duplicates(since = {since:DateTime64(3, 'UTC')}, until = {until:DateTime64(3, 'UTC')})
  )
);

-- The ledger of all nodes together: received = good + bad + duplicate + excluded, by source and hour. Duplicates that no
-- node could see by itself are taken from good.
CREATE VIEW IF NOT EXISTS ledger AS
SELECT
    source,
    hour,
    sum(received) AS received,
    sum(good) AS good,
    sum(bad) AS bad,
    sum(duplicate) AS duplicate,
    sum(excluded) AS excluded
FROM (
    SELECT source, hour, received, good, bad, duplicate, excluded
    FROM counts FINAL
    WHERE hour >= formatDateTime({since:DateTime64(3, 'UTC')}, '%Y-%m-%dT%H')
      AND hour < formatDateTime({until:DateTime64(3, 'UTC')}, '%Y-%m-%dT%H')
    UNION ALL
    SELECT source, formatDateTime(received_at, '%Y-%m-%dT%H') AS hour, 0, -1, 0, 1, 0
    FROM duplicates(since = {since:DateTime64(3, 'UTC')}, until = {until:DateTime64(3, 'UTC')})
    WHERE (record_id, unit) NOT IN (SELECT record_id, unit FROM gone)
)
GROUP BY source, hour
ORDER BY hour, source;
