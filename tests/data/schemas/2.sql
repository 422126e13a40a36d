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
CREATE INDEX deliveries_due ON deliveries (receiver, due_at, seq) WHERE state = 'pending';
CREATE INDEX deliveries_stream ON deliveries (receiver, stream, seq) WHERE state = 'pending';
CREATE INDEX deliveries_of_event ON deliveries (seq);
PRAGMA user_version = 2;
