CREATE TABLE segments (
  first_seq INTEGER PRIMARY KEY,
  last_seq INTEGER NOT NULL CHECK (last_seq >= first_seq),
  name TEXT NOT NULL UNIQUE,
  size INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  chain TEXT NOT NULL
) STRICT;
CREATE TRIGGER segments_without_gaps BEFORE INSERT ON segments
WHEN NEW.first_seq IS NOT (SELECT coalesce(max(last_seq), 0) + 1 FROM segments)
BEGIN SELECT raise(ABORT, 'a segment must begin where the one before ends'); END;
CREATE TRIGGER segments_never_change BEFORE UPDATE ON segments
BEGIN SELECT raise(ABORT, 'the list of segments is append-only'); END;
CREATE TRIGGER segments_never_go BEFORE DELETE ON segments
BEGIN SELECT raise(ABORT, 'the list of segments is append-only'); END;

CREATE TABLE log_start (
  first_seq INTEGER NOT NULL,
  moving_to INTEGER NOT NULL,
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
CREATE TRIGGER events_never_change BEFORE UPDATE ON events
WHEN (OLD.base < (SELECT min(moving_to) FROM log_start) AND OLD.seq >= (SELECT min(moving_to) FROM log_start)
  AND NEW.base IS NULL AND NEW.seq = OLD.seq AND NEW.type = OLD.type AND NEW.account = OLD.account AND NEW.job IS OLD.job
  AND NEW.created_at = OLD.created_at AND NEW.observed_at = OLD.observed_at AND NEW.backfilled = OLD.backfilled
  AND json_extract(NEW.body, '$.seq') = OLD.seq AND json_extract(NEW.body, '$.id') = NEW.id) IS NOT TRUE
BEGIN SELECT raise(ABORT, 'the log is append-only'); END;

PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, 'seq INTEGER NOT NULL REFERENCES events (seq),', 'seq INTEGER NOT NULL,')
WHERE type = 'table' AND name = 'jobs';
PRAGMA writable_schema = OFF;
CREATE TRIGGER jobs_of_the_log BEFORE INSERT ON jobs WHEN NOT EXISTS (SELECT 1 FROM events WHERE seq = NEW.seq)
BEGIN SELECT raise(ABORT, 'a job is as an event has it'); END;
CREATE TRIGGER jobs_stay_of_the_log BEFORE UPDATE OF seq ON jobs WHEN NOT EXISTS (SELECT 1 FROM events WHERE seq = NEW.seq)
BEGIN SELECT raise(ABORT, 'a job is as an event has it'); END;
PRAGMA user_version = 16;
