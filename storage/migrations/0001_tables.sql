-- The tables of the embedded store, in meaning; see storage/database.py.
--
-- Readings and official values are partitioned by the month of their valid_time (UTC); a month's partition is made by the
-- first batch that needs it. An instant that a broken clock made lies in one of the two outermost partitions, so that
-- a flood of them can't make partitions without end. Claims are added and never changed. Their index is not unique: what
-- is new is decided by the law of storage/claims.py under a lock on each series of the batch.
--
-- In the small tables instants are microseconds since 1970 in UTC, as in the embedded store, and are read by the same
-- statements. Checksums are those of storage/checksums.py. Words that answers are sorted by compare by their bytes, as
-- there, whatever the database's language.

CREATE TABLE series (
    number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, kind text NOT NULL, name text COLLATE "C" NOT NULL,
    site text NOT NULL, quantity text NOT NULL, unit text NOT NULL, UNIQUE (kind, name)
);

CREATE TABLE reading (
    valid_time timestamptz NOT NULL, available_at timestamptz NOT NULL, value double precision NOT NULL,
    series integer NOT NULL, revision integer NOT NULL, quality integer NOT NULL, checksum integer NOT NULL
) PARTITION BY RANGE (valid_time);
CREATE INDEX reading_cell ON reading (series, valid_time);
CREATE TABLE reading_before PARTITION OF reading FOR VALUES FROM (MINVALUE) TO ('1990-01-01 00:00:00+00');
CREATE TABLE reading_after PARTITION OF reading FOR VALUES FROM ('2100-01-01 00:00:00+00') TO (MAXVALUE);

CREATE TABLE official (
    valid_time timestamptz NOT NULL, issue_time timestamptz NOT NULL, available_at timestamptz NOT NULL,
    power_mw double precision NOT NULL, series integer NOT NULL, quality integer NOT NULL, checksum integer NOT NULL
) PARTITION BY RANGE (valid_time);
CREATE INDEX official_cell ON official (series, valid_time);
CREATE TABLE official_before PARTITION OF official FOR VALUES FROM (MINVALUE) TO ('1990-01-01 00:00:00+00');
CREATE TABLE official_after PARTITION OF official FOR VALUES FROM ('2100-01-01 00:00:00+00') TO (MAXVALUE);

CREATE TABLE sealed (partition text PRIMARY KEY, rows bigint NOT NULL);

CREATE TABLE outage (
    asset text COLLATE "C" NOT NULL, begins bigint NOT NULL, ends bigint NOT NULL, available_at bigint NOT NULL,
    checksum bigint NOT NULL, PRIMARY KEY (asset, begins, ends)
);

-- By source, so that two writers never wait for one row of counts.
CREATE TABLE tally (source text NOT NULL, name text NOT NULL, amount bigint NOT NULL, PRIMARY KEY (source, name));

CREATE TABLE source_offset (source text COLLATE "C" PRIMARY KEY, next_offset bigint NOT NULL, checksum bigint NOT NULL);

CREATE TABLE dead_letter (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, available_at bigint NOT NULL, source text COLLATE "C" NOT NULL,
    source_offset bigint NOT NULL, reason text NOT NULL, detail text NOT NULL, payload bytea NOT NULL
);

CREATE TABLE model (
    name text NOT NULL, fitted_as_of bigint NOT NULL, model_id text NOT NULL, sha256 text NOT NULL,
    payload bytea NOT NULL, PRIMARY KEY (name, fitted_as_of)
);

CREATE TABLE decision (issue_time bigint PRIMARY KEY, sha256 text NOT NULL, checkpoint bytea NOT NULL);

CREATE TABLE document (
    issue_time bigint NOT NULL, kind text COLLATE "C" NOT NULL, place bigint NOT NULL, layer text NOT NULL,
    checksum bigint NOT NULL, content bytea NOT NULL, PRIMARY KEY (issue_time, kind, place)
);

CREATE TABLE outbox (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, message_id text NOT NULL UNIQUE, topic text NOT NULL,
    issue_time bigint NOT NULL, kind text NOT NULL, place bigint NOT NULL, is_sent integer NOT NULL DEFAULT 0
);
CREATE INDEX outbox_pending ON outbox (seq) WHERE is_sent = 0;

-- What is current, for whoever asks with SQL: the law of storage/claims.py once more; a test holds the two together.
-- 14 is gridcore.reading.UNUSABLE, 16 is Quality.CONFLICT.
CREATE VIEW current_reading AS
SELECT s.name AS channel, s.site, s.quantity, s.unit, r.valid_time, r.value, r.quality, r.revision, r.available_at
FROM series s CROSS JOIN LATERAL (
    SELECT DISTINCT ON (valid_time) valid_time, value, revision, available_at,
           quality | CASE WHEN count(*) OVER (PARTITION BY valid_time, revision) > 1 THEN 16 ELSE 0 END AS quality
    FROM (
        SELECT DISTINCT ON (valid_time, revision, value) valid_time, revision, value, available_at, quality, is_unusable
        FROM (
            SELECT c.*, value IN ('NaN', 'Infinity', '-Infinity') OR quality & 14 <> 0 AS is_unusable
            FROM reading c WHERE c.series = s.number
        ) claim
        ORDER BY valid_time, revision, value, is_unusable, available_at, quality
    ) known
    ORDER BY valid_time, revision DESC, is_unusable, CASE WHEN value = 'NaN' THEN '-Infinity' ELSE value END DESC
) r
WHERE s.kind = 'reading';
