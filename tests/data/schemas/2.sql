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
CREATE INDEX events_of_job ON events (job, seq);
CREATE INDEX jobs_active ON jobs (account) WHERE active;
CREATE INDEX jobs_created ON jobs (account, created_at);
CREATE INDEX deliveries_due ON deliveries (receiver, due_at, seq) WHERE state = 'pending';
CREATE INDEX deliveries_stream ON deliveries (receiver, stream, seq) WHERE state = 'pending';
CREATE INDEX deliveries_of_event ON deliveries (seq);
CREATE TRIGGER events_without_gaps BEFORE INSERT ON events
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM events)
BEGIN SELECT raise(ABORT, 'seq must grow by one'); END;
CREATE TRIGGER events_never_replaced BEFORE INSERT ON events  -- REPLACE deletes without asking events_never_go
WHEN EXISTS (SELECT 1 FROM events WHERE id = NEW.id) BEGIN SELECT raise(ABORT, 'the log is append-only'); END;
CREATE TRIGGER events_never_change BEFORE UPDATE ON events BEGIN SELECT raise(ABORT, 'the log is append-only'); END;
CREATE TRIGGER events_never_go BEFORE DELETE ON events BEGIN SELECT raise(ABORT, 'the log is append-only'); END;
PRAGMA application_id = 1112822347;
PRAGMA user_version = 2;
