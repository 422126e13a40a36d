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
CREATE INDEX events_of_job ON events (job, seq);
CREATE INDEX jobs_active ON jobs (account) WHERE active;
CREATE INDEX jobs_created ON jobs (account, created_at);
CREATE TRIGGER events_without_gaps BEFORE INSERT ON events
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM events)
BEGIN SELECT raise(ABORT, 'seq must grow by one'); END;
CREATE TRIGGER events_never_replaced BEFORE INSERT ON events  -- REPLACE deletes without asking events_never_go
WHEN EXISTS (SELECT 1 FROM events WHERE id = NEW.id) BEGIN SELECT raise(ABORT, 'the log is append-only'); END;
CREATE TRIGGER events_never_change BEFORE UPDATE ON events BEGIN SELECT raise(ABORT, 'the log is append-only'); END;
CREATE TRIGGER events_never_go BEFORE DELETE ON events BEGIN SELECT raise(ABORT, 'the log is append-only'); END;
PRAGMA application_id = 1112822347;
PRAGMA user_version = 1;
