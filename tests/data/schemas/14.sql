CREATE TABLE rare_events (
  type TEXT NOT NULL,
  seq INTEGER NOT NULL,
  account TEXT NOT NULL,
  observed_at TEXT NOT NULL,
  PRIMARY KEY (type, seq)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER events_rare AFTER INSERT ON events
WHEN NEW.type NOT IN ('batch.created', 'batch.started', 'batch.progress', 'batch.completed')
BEGIN INSERT INTO rare_events VALUES (NEW.type, NEW.seq, NEW.account, NEW.observed_at); END;
CREATE TRIGGER events_rare_no_more AFTER DELETE ON events
WHEN OLD.type NOT IN ('batch.created', 'batch.started', 'batch.progress', 'batch.completed')
BEGIN DELETE FROM rare_events WHERE type = OLD.type AND seq = OLD.seq; END;
PRAGMA user_version = 14;
