"""Owns the migrations: the statements that change the schema from each version to the next."""

from typing import Final

_SCHEMA_1: Final = """
CREATE TABLE accounts (
  name TEXT PRIMARY KEY,
  since INTEGER NOT NULL,     -- Unix milliseconds of the first contact
  horizon INTEGER NOT NULL,   -- Unix seconds; see core.ports.Contact
  watermark INTEGER           -- Unix seconds; NULL until the first reading was whole
) STRICT;

CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  type TEXT NOT NULL,
  account TEXT NOT NULL,
  job TEXT,
  created_at INTEGER NOT NULL,
  observed_at TEXT NOT NULL,
  backfilled INTEGER NOT NULL,
  body TEXT NOT NULL          -- the event's JSON, the same on every surface
) STRICT;
CREATE INDEX events_of_job ON events (job, seq);  -- read by `job ID` and `events --job`

CREATE TABLE jobs (
  account TEXT NOT NULL,
  id TEXT NOT NULL,
  status TEXT NOT NULL,
  active INTEGER NOT NULL,
  deleted INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  first_seen_at TEXT NOT NULL,
  observed_at TEXT NOT NULL,
  seq INTEGER NOT NULL REFERENCES events (seq),  -- its last event
  data TEXT NOT NULL,
  PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX jobs_active ON jobs (account) WHERE active;     -- read by Store.active
CREATE INDEX jobs_created ON jobs (account, created_at);     -- read by Store.count_created and created_of_newest

CREATE TRIGGER events_without_gaps BEFORE INSERT ON events
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM events)
BEGIN SELECT raise(ABORT, 'seq must grow by one'); END;
CREATE TRIGGER events_never_replaced BEFORE INSERT ON events  -- REPLACE deletes without asking events_never_go
WHEN EXISTS (SELECT 1 FROM events WHERE id = NEW.id) BEGIN SELECT raise(ABORT, 'the log is append-only'); END;
CREATE TRIGGER events_never_change BEFORE UPDATE ON events BEGIN SELECT raise(ABORT, 'the log is append-only'); END;
CREATE TRIGGER events_never_go BEFORE DELETE ON events BEGIN SELECT raise(ABORT, 'the log is append-only'); END;
"""

_SCHEMA_2: Final = """
CREATE TABLE deliveries (
  receiver TEXT NOT NULL,
  seq INTEGER NOT NULL REFERENCES events (seq),
  stream TEXT NOT NULL,       -- what order is kept within; see core.fanout.stream_of
  type TEXT NOT NULL,         -- the event's
  state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead', 'superseded')),
  attempts INTEGER NOT NULL,  -- that have failed
  due_at INTEGER NOT NULL,    -- Unix milliseconds, as all times here
  first_failed_at INTEGER,
  ended_at INTEGER,
  PRIMARY KEY (receiver, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (receiver, due_at, seq) WHERE state = 'pending';     -- read by Outbox.claim
CREATE INDEX deliveries_stream ON deliveries (receiver, stream, seq) WHERE state = 'pending';  -- what holds back what
CREATE INDEX deliveries_of_event ON deliveries (seq);                                          -- read by `deliveries --job`

CREATE TABLE attempts (
  receiver TEXT NOT NULL,
  seq INTEGER NOT NULL,
  number INTEGER NOT NULL,
  began_at INTEGER NOT NULL,
  ended_at INTEGER NOT NULL,
  result TEXT NOT NULL,       -- core.delivery.Result
  status INTEGER,
  detail TEXT NOT NULL,
  answer TEXT NOT NULL,       -- the first kB of a bad one
  PRIMARY KEY (receiver, seq, number),
  FOREIGN KEY (receiver, seq) REFERENCES deliveries (receiver, seq) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE receivers (
  name TEXT PRIMARY KEY,      -- the rest is core.circuit.Circuit
  failures INTEGER NOT NULL,
  since INTEGER,
  quiet_until INTEGER NOT NULL,
  reason TEXT NOT NULL,
  detail TEXT NOT NULL,
  disabled INTEGER NOT NULL
) STRICT;
"""

_SCHEMA_3: Final = """
CREATE INDEX events_deadline ON events (account, job) WHERE type = 'batch.deadline';  -- read by Store.standings
CREATE INDEX events_of_account ON events (account, seq) WHERE job IS NULL;            -- read by Store.last_of_account
"""

_SCHEMA_4: Final = """
CREATE TABLE cards (
  receiver TEXT NOT NULL,
  stream TEXT NOT NULL,
  card TEXT NOT NULL,         -- the message that shows the job, as notify.slack_bot writes it
  PRIMARY KEY (receiver, stream)
) STRICT, WITHOUT ROWID;

CREATE INDEX deliveries_ended ON deliveries (ended_at) WHERE state IN ('delivered', 'superseded');  -- read by Store.prune
"""

_SCHEMA_5: Final = """
CREATE TABLE job_counts (     -- how many jobs there are, so that nobody has to count them; the triggers below keep it
  account TEXT NOT NULL,
  status TEXT NOT NULL,       -- as the API has it, also one that nobody knows
  deleted INTEGER NOT NULL,
  jobs INTEGER NOT NULL,
  PRIMARY KEY (account, status, deleted)
) STRICT, WITHOUT ROWID;
INSERT INTO job_counts SELECT account, status, deleted, count(*) FROM jobs GROUP BY account, status, deleted;

CREATE TRIGGER jobs_counted AFTER INSERT ON jobs BEGIN
  INSERT INTO job_counts VALUES (NEW.account, NEW.status, NEW.deleted, 1)
    ON CONFLICT (account, status, deleted) DO UPDATE SET jobs = jobs + 1;
END;
CREATE TRIGGER jobs_counted_anew AFTER UPDATE OF account, status, deleted ON jobs
WHEN (OLD.account, OLD.status, OLD.deleted) IS NOT (NEW.account, NEW.status, NEW.deleted) BEGIN
  UPDATE job_counts SET jobs = jobs - 1 WHERE account = OLD.account AND status = OLD.status AND deleted = OLD.deleted;
  INSERT INTO job_counts VALUES (NEW.account, NEW.status, NEW.deleted, 1)
    ON CONFLICT (account, status, deleted) DO UPDATE SET jobs = jobs + 1;
END;
CREATE TRIGGER jobs_not_counted AFTER DELETE ON jobs BEGIN
  UPDATE job_counts SET jobs = jobs - 1 WHERE account = OLD.account AND status = OLD.status AND deleted = OLD.deleted;
END;

CREATE INDEX jobs_newest ON jobs (created_at DESC, account, id);                       -- pages of jobs, the newest first
CREATE INDEX jobs_newest_active ON jobs (created_at DESC, account, id) WHERE active;   -- the same of those that are active
CREATE INDEX deliveries_dead ON deliveries (receiver, seq) WHERE state = 'dead';       -- how many are dead, and which
"""

_SCHEMA_6: Final = """
CREATE INDEX events_narrow ON events (seq, type, account, observed_at);   -- what pages pass over without reading it
CREATE INDEX jobs_newest_of_status ON jobs (status, created_at DESC, account, id);               -- pages of jobs by status
CREATE INDEX deliveries_open ON deliveries (seq, receiver) WHERE state IN ('pending', 'dead');  -- pages of what is not over
"""

_SCHEMA_7: Final = """
ALTER TABLE attempts ADD COLUMN retry_after INTEGER;  -- milliseconds; what the receiver asked for
ALTER TABLE receivers ADD COLUMN asked_until INTEGER NOT NULL DEFAULT 0;
UPDATE receivers SET asked_until = quiet_until WHERE failures < 5 OR reason = 'rate_limited';
"""

_SCHEMA_8: Final = """
ALTER TABLE deliveries ADD COLUMN replays INTEGER NOT NULL DEFAULT 0;  -- how often a command has made it pending again
CREATE INDEX jobs_deleted ON jobs (account, observed_at) WHERE deleted;    -- read by Store.deleted_since
"""

_SCHEMA_9: Final = """
ALTER TABLE accounts ADD COLUMN swept_at INTEGER;  -- Unix milliseconds of the last whole sweep; read by Reader.last_sweep
"""

_SCHEMA_10: Final = """
ALTER TABLE jobs ADD COLUMN ended_at INTEGER AS (  -- Unix seconds: of the API, else of the last observation; NULL while active
  CASE WHEN active THEN NULL
  WHEN json_valid(data) AND json_type(data, '$.completed_at') = 'integer'
    AND json_extract(data, '$.completed_at') BETWEEN 0 AND 253402300799 THEN json_extract(data, '$.completed_at')
  ELSE coalesce(CAST(strftime('%s', observed_at) AS INTEGER), created_at) END) VIRTUAL;
CREATE INDEX jobs_ended ON jobs (ended_at DESC, account, id) WHERE NOT active;                    -- the last to end first
CREATE INDEX jobs_ended_of_account ON jobs (account, ended_at DESC, id) WHERE NOT active;         -- the same of an account
CREATE INDEX jobs_ended_of_status ON jobs (status, ended_at DESC, account, id) WHERE NOT active;  -- the same of a status
"""

_SCHEMA_11: Final = """
CREATE TABLE archive_tasks (  -- jobs whose result files are to be archived
  account TEXT NOT NULL,
  job TEXT NOT NULL,
  created_at INTEGER NOT NULL,  -- Unix milliseconds, as all times here
  due_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL,    -- that have failed
  reason TEXT NOT NULL,         -- of the last one; empty before
  detail TEXT NOT NULL,
  PRIMARY KEY (account, job)
) STRICT, WITHOUT ROWID;
CREATE INDEX archive_tasks_due ON archive_tasks (account, due_at, job);  -- read by ArchiveStore.claim and next_due

CREATE TABLE results (
  account TEXT NOT NULL,
  job TEXT NOT NULL,
  state TEXT NOT NULL,          -- core.results.archive_outcome.ResultState
  archived_at INTEGER NOT NULL,
  expired_at INTEGER,           -- when the files were removed from the archive; NULL before, and where there is none
  data TEXT NOT NULL,           -- the rest of core.results.archive_outcome.Results
  PRIMARY KEY (account, job)
) STRICT, WITHOUT ROWID;
CREATE INDEX results_archived ON results (archived_at, account, job);              -- read by Reader.results_page
CREATE INDEX results_archived_of_account ON results (account, archived_at, job);   -- the same of an account
CREATE INDEX results_kept ON results (archived_at)
  WHERE expired_at IS NULL AND state IN ('archived', 'partial');       -- read by ArchiveStore.expired
"""

_SCHEMA_12: Final = """
CREATE TABLE silences (
  id TEXT PRIMARY KEY,
  starts_at INTEGER NOT NULL,   -- Unix milliseconds, as all times here
  ends_at INTEGER NOT NULL,
  started_at INTEGER,           -- when its start was logged; NULL before
  ended_at INTEGER,             -- when it ended, at its time or earlier; NULL while it is open
  silenced INTEGER,             -- the deliveries that it kept; NULL while it is open
  data TEXT NOT NULL            -- core.silences.silence.Silence, as it was made
) STRICT, WITHOUT ROWID;
CREATE INDEX silences_open ON silences (ends_at) WHERE ended_at IS NULL;  -- read by each transaction that logs events
CREATE INDEX silences_ended ON silences (ended_at) WHERE ended_at IS NOT NULL;  -- read by Store.prune

ALTER TABLE deliveries ADD COLUMN silence TEXT;  -- silences.id; what is superseded and has one is "silenced" everywhere else
CREATE INDEX deliveries_silenced ON deliveries (silence, type, seq) WHERE silence IS NOT NULL;  -- what a silence has kept
"""

_SCHEMA_13: Final = """
ALTER TABLE events ADD COLUMN base INTEGER;  -- the seq of the event that `body`, in its short form, builds on; see core.events
ALTER TABLE jobs ADD COLUMN base INTEGER;    -- the seq of the job's last event that is not in its short form; NULL if unknown
"""

_SCHEMA_14: Final = """
CREATE TABLE rare_events (      -- those of store.records.rare_events; the triggers below keep it
  type TEXT NOT NULL,
  seq INTEGER NOT NULL,
  account TEXT NOT NULL,
  observed_at TEXT NOT NULL,
  PRIMARY KEY (type, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO rare_events SELECT type, seq, account, observed_at FROM events INDEXED BY events_narrow  -- without reading bodies
  WHERE type NOT IN ('batch.created', 'batch.started', 'batch.progress', 'batch.completed');

CREATE TRIGGER events_rare AFTER INSERT ON events
WHEN NEW.type NOT IN ('batch.created', 'batch.started', 'batch.progress', 'batch.completed')
BEGIN INSERT INTO rare_events VALUES (NEW.type, NEW.seq, NEW.account, NEW.observed_at); END;
CREATE TRIGGER events_rare_no_more AFTER DELETE ON events
WHEN OLD.type NOT IN ('batch.created', 'batch.started', 'batch.progress', 'batch.completed')
BEGIN DELETE FROM rare_events WHERE type = OLD.type AND seq = OLD.seq; END;
"""

_SCHEMA_15: Final = """
ALTER TABLE jobs ADD COLUMN progress TEXT;        -- what differs from `data` since the job was last logged; see store.records
ALTER TABLE jobs ADD COLUMN progress_of INTEGER;  -- the `seq` that it builds on; with another one it is over
"""

_SCHEMA_16: Final = """
CREATE TABLE segments (         -- the files that the beginning of the log was moved into, without gaps
  first_seq INTEGER PRIMARY KEY,
  last_seq INTEGER NOT NULL CHECK (last_seq >= first_seq),
  name TEXT NOT NULL UNIQUE,    -- in the directory of segments
  size INTEGER NOT NULL,        -- bytes of the file
  sha256 TEXT NOT NULL,         -- of its content, uncompressed
  chain TEXT NOT NULL           -- the SHA-256 of the chain before and `sha256`; see store.sqlite.segments.segment
) STRICT;
CREATE TRIGGER segments_without_gaps BEFORE INSERT ON segments
WHEN NEW.first_seq IS NOT (SELECT coalesce(max(last_seq), 0) + 1 FROM segments)
BEGIN SELECT raise(ABORT, 'a segment must begin where the one before ends'); END;
CREATE TRIGGER segments_never_change BEFORE UPDATE ON segments
BEGIN SELECT raise(ABORT, 'the list of segments is append-only'); END;
CREATE TRIGGER segments_never_go BEFORE DELETE ON segments
BEGIN SELECT raise(ABORT, 'the list of segments is append-only'); END;

CREATE TABLE log_start (        -- one row
  first_seq INTEGER NOT NULL,   -- where the kept log begins: what is before is in segments alone
  moving_to INTEGER NOT NULL,   -- what is before is in segments too, and is about to go; first_seq if nothing is
  CHECK (moving_to >= first_seq)
) STRICT;
INSERT INTO log_start VALUES (1, 1);
CREATE TRIGGER log_start_is_one BEFORE INSERT ON log_start BEGIN SELECT raise(ABORT, 'the log has one start'); END;
CREATE TRIGGER log_start_never_goes BEFORE DELETE ON log_start BEGIN SELECT raise(ABORT, 'the log has one start'); END;
CREATE TRIGGER log_start_only_grows BEFORE UPDATE ON log_start
WHEN NEW.first_seq < OLD.first_seq OR NEW.moving_to < OLD.moving_to OR NEW.first_seq > OLD.moving_to
  OR NEW.moving_to > (SELECT coalesce(max(last_seq), 0) + 1 FROM segments)
BEGIN SELECT raise(ABORT, 'the log begins after the last segment, or before'); END;

DROP TRIGGER events_never_go;
CREATE TRIGGER events_never_go BEFORE DELETE ON events
WHEN OLD.seq >= coalesce((SELECT min(first_seq) FROM log_start), 1)
BEGIN SELECT raise(ABORT, 'the log is append-only'); END;
DROP TRIGGER events_never_change;
CREATE TRIGGER events_never_change BEFORE UPDATE ON events  -- but for a short form whose base is about to go
WHEN (OLD.base < (SELECT min(moving_to) FROM log_start) AND OLD.seq >= (SELECT min(moving_to) FROM log_start)
  AND NEW.base IS NULL AND NEW.seq = OLD.seq AND NEW.type = OLD.type AND NEW.account = OLD.account AND NEW.job IS OLD.job
  AND NEW.created_at = OLD.created_at AND NEW.observed_at = OLD.observed_at AND NEW.backfilled = OLD.backfilled
  AND json_extract(NEW.body, '$.seq') = OLD.seq AND json_extract(NEW.body, '$.id') = NEW.id) IS NOT TRUE
BEGIN SELECT raise(ABORT, 'the log is append-only'); END;

PRAGMA writable_schema = ON;    -- a job stays when its last event is moved; SQLite documents this way of dropping a reference
UPDATE sqlite_schema SET sql = replace(sql, 'seq INTEGER NOT NULL REFERENCES events (seq),', 'seq INTEGER NOT NULL,')
WHERE type = 'table' AND name = 'jobs';
PRAGMA writable_schema = OFF;
CREATE TRIGGER jobs_of_the_log BEFORE INSERT ON jobs WHEN NOT EXISTS (SELECT 1 FROM events WHERE seq = NEW.seq)
BEGIN SELECT raise(ABORT, 'a job is as an event has it'); END;
CREATE TRIGGER jobs_stay_of_the_log BEFORE UPDATE OF seq ON jobs WHEN NOT EXISTS (SELECT 1 FROM events WHERE seq = NEW.seq)
BEGIN SELECT raise(ABORT, 'a job is as an event has it'); END;
"""

MIGRATIONS: Final = (
    _SCHEMA_1,
    _SCHEMA_2,
    _SCHEMA_3,
    _SCHEMA_4,
    _SCHEMA_5,
    _SCHEMA_6,
    _SCHEMA_7,
    _SCHEMA_8,
    _SCHEMA_9,
    _SCHEMA_10,
    _SCHEMA_11,
    _SCHEMA_12,
    _SCHEMA_13,
    _SCHEMA_14,
    _SCHEMA_15,
    _SCHEMA_16,
)
"""Migration N makes a file of version N - 1 one of version N."""
