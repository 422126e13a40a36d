CREATE TABLE silences (
  id TEXT PRIMARY KEY,
  starts_at INTEGER NOT NULL,
  ends_at INTEGER NOT NULL,
  started_at INTEGER,
  ended_at INTEGER,
  silenced INTEGER,
  data TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX silences_open ON silences (ends_at) WHERE ended_at IS NULL;
CREATE INDEX silences_ended ON silences (ended_at) WHERE ended_at IS NOT NULL;

ALTER TABLE deliveries ADD COLUMN silence TEXT;
CREATE INDEX deliveries_silenced ON deliveries (silence, type, seq) WHERE silence IS NOT NULL;
PRAGMA user_version = 12;
