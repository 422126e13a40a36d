"""Owns the migrations: the statements that change the schema from each version to the next.

Tables and columns have the names that they have in SQLite. Text compares by its bytes (`COLLATE "C"`), as there. JSON is text:
`jsonb` refuses an escaped NUL. Each migration only adds, so that replicas of the version before work on beside the new ones.
"""

from typing import Final, NamedTuple


class Migration(NamedTuple):
    """The statements, and the oldest schema version whose program works on the result."""

    sql: str
    oldest_compatible: int


_SCHEMA_1: Final = """
CREATE TABLE schema_version (version integer NOT NULL, oldest_compatible integer NOT NULL);
CREATE UNIQUE INDEX schema_version_is_one_row ON schema_version ((true));
INSERT INTO schema_version VALUES (0, 0);

CREATE TABLE writers (           -- each process that writes, so that it can tell whether its last transaction has committed
  id text COLLATE "C" PRIMARY KEY,
  transaction bigint NOT NULL,   -- the number of its last one
  at bigint NOT NULL             -- Unix milliseconds, as all times but for those of the API
) WITH (fillfactor = 20);

CREATE TABLE accounts (
  name text COLLATE "C" PRIMARY KEY,
  since bigint NOT NULL,         -- of the first contact
  horizon bigint NOT NULL,       -- Unix seconds; see core.ports.store.Checkpoint
  watermark bigint,              -- Unix seconds; NULL until the first reading was whole
  swept_at bigint                -- of the last whole sweep
) WITH (fillfactor = 50);

CREATE TABLE log_head (seq bigint NOT NULL) WITH (fillfactor = 10);  -- of the last event: who appends holds its row
CREATE UNIQUE INDEX log_head_is_one_row ON log_head ((true));
INSERT INTO log_head VALUES (0);

CREATE TABLE events (
  seq bigint NOT NULL,
  id text COLLATE "C" NOT NULL CONSTRAINT events_id UNIQUE,
  type text COLLATE "C" NOT NULL,
  account text COLLATE "C" NOT NULL,
  job text COLLATE "C",
  created_at bigint NOT NULL,
  observed_at text COLLATE "C" NOT NULL,
  backfilled boolean NOT NULL,
  body text COLLATE "C" NOT NULL,  -- the event's JSON, the same on every surface
  PRIMARY KEY (seq) INCLUDE (type, account, observed_at)  -- what pages pass over without reading it, of vacuumed pages
) WITH (autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000);
CREATE INDEX events_of_job ON events (job, seq);
CREATE INDEX events_of_account ON events (account, seq) WHERE job IS NULL;
CREATE INDEX events_deadline ON events (account, job) WHERE type = 'batch.deadline';
CREATE INDEX events_deleted ON events (account, observed_at) WHERE type = 'batch.deleted';

CREATE TABLE jobs (  -- no index has a column that progress changes: the update of a row then touches no index
  account text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  status text COLLATE "C" NOT NULL,
  active boolean NOT NULL,
  deleted boolean NOT NULL,
  created_at bigint NOT NULL,
  first_seen_at text COLLATE "C" NOT NULL,
  observed_at text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,           -- its last event; without a foreign key, whose check would lock and rewrite rows of the log
  data text COLLATE "C" NOT NULL,
  ended_at bigint,               -- Unix seconds: of the API, else of the last observation; NULL while active
  PRIMARY KEY (account, id)
) WITH (fillfactor = 70);
CREATE INDEX jobs_active ON jobs (account, id) WHERE active;
CREATE INDEX jobs_created ON jobs (account, created_at DESC, id);
CREATE INDEX jobs_of_id ON jobs (id);
CREATE INDEX jobs_newest ON jobs (created_at DESC, account, id)
  WHERE created_at IS DISTINCT FROM -1;  -- true; only a statement that says it may use the index: see job_statements.py
CREATE INDEX jobs_newest_active ON jobs (created_at DESC, account, id) WHERE active;
CREATE INDEX jobs_newest_of_status ON jobs (status, created_at DESC, account, id);
CREATE INDEX jobs_ended ON jobs (ended_at DESC, account, id) WHERE NOT active AND created_at IS DISTINCT FROM -1;  -- the same
CREATE INDEX jobs_ended_of_account ON jobs (account, ended_at DESC, id) WHERE NOT active;
CREATE INDEX jobs_ended_of_status ON jobs (status, ended_at DESC, account, id) WHERE NOT active;
CREATE INDEX jobs_deleted ON jobs (account, id) WHERE deleted;

CREATE TABLE job_counts (        -- how many jobs there are; the triggers below keep it
  account text COLLATE "C" NOT NULL,
  status text COLLATE "C" NOT NULL,
  deleted boolean NOT NULL,
  jobs bigint NOT NULL,
  PRIMARY KEY (account, status, deleted)
) WITH (fillfactor = 50);

CREATE TABLE deliveries (
  receiver text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,           -- of its event; without a foreign key, as jobs.seq
  stream text COLLATE "C" NOT NULL,  -- what order is kept within; see core.deliveries.fan_out.stream_of
  type text COLLATE "C" NOT NULL,    -- the event's
  state text COLLATE "C" NOT NULL CHECK (state IN ('pending', 'delivered', 'dead', 'superseded')),
  attempts bigint NOT NULL,      -- that have failed
  due_at bigint NOT NULL,
  first_failed_at bigint,
  ended_at bigint,
  replays bigint NOT NULL DEFAULT 0,  -- how often a command has made it pending again
  PRIMARY KEY (receiver, seq)
);
CREATE INDEX deliveries_due ON deliveries (receiver, due_at, seq) WHERE state = 'pending';
CREATE INDEX deliveries_stream ON deliveries ((receiver || '/' || stream), seq) WHERE state = 'pending';  -- of an expression,
-- since no other index serves it: of two columns the planner takes whichever it believes to be small, and may read everything
CREATE INDEX deliveries_failed ON deliveries (receiver, first_failed_at)
  WHERE state = 'pending' AND first_failed_at IS NOT NULL;
CREATE INDEX deliveries_of_event ON deliveries (seq, receiver);
CREATE INDEX deliveries_ended ON deliveries (ended_at) WHERE state IN ('delivered', 'superseded');
CREATE INDEX deliveries_dead ON deliveries (receiver, seq) WHERE state = 'dead';
CREATE INDEX deliveries_open ON deliveries (seq, receiver) WHERE state IN ('pending', 'dead');

CREATE TABLE attempts (
  receiver text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  number bigint NOT NULL,
  began_at bigint NOT NULL,
  ended_at bigint NOT NULL,
  result text COLLATE "C" NOT NULL,  -- core.deliveries.delivery.Result
  status bigint,
  detail text COLLATE "C" NOT NULL,
  answer text COLLATE "C" NOT NULL,  -- the first kB of a bad one
  retry_after bigint,            -- milliseconds; what the receiver asked for
  PRIMARY KEY (receiver, seq, number),
  FOREIGN KEY (receiver, seq) REFERENCES deliveries (receiver, seq) ON DELETE CASCADE
);

CREATE TABLE receivers (
  name text COLLATE "C" PRIMARY KEY,  -- the rest is core.deliveries.circuit.Circuit
  failures bigint NOT NULL,
  since bigint,
  quiet_until bigint NOT NULL,
  asked_until bigint NOT NULL DEFAULT 0,
  reason text COLLATE "C" NOT NULL,
  detail text COLLATE "C" NOT NULL,
  disabled boolean NOT NULL,
  commands bigint NOT NULL DEFAULT 0  -- how often a command has changed it
) WITH (fillfactor = 50);

CREATE TABLE cards (
  receiver text COLLATE "C" NOT NULL,
  stream text COLLATE "C" NOT NULL,
  card text COLLATE "C" NOT NULL,  -- the message that shows the job, as its notifier writes it
  PRIMARY KEY (receiver, stream)
);

CREATE TABLE archive_tasks (     -- jobs whose result files are to be archived
  account text COLLATE "C" NOT NULL,
  job text COLLATE "C" NOT NULL,
  created_at bigint NOT NULL,
  due_at bigint NOT NULL,
  attempts bigint NOT NULL,      -- that have failed
  reason text COLLATE "C" NOT NULL,  -- of the last one; empty before
  detail text COLLATE "C" NOT NULL,
  PRIMARY KEY (account, job)
);
CREATE INDEX archive_tasks_due ON archive_tasks (account, due_at, job);

CREATE TABLE results (
  account text COLLATE "C" NOT NULL,
  job text COLLATE "C" NOT NULL,
  state text COLLATE "C" NOT NULL,  -- core.results.archive_outcome.ResultState
  archived_at bigint NOT NULL,
  expired_at bigint,             -- when the files were removed from the archive; NULL before, and where there is none
  data text COLLATE "C" NOT NULL,  -- the rest of core.results.archive_outcome.Results
  PRIMARY KEY (account, job)
);
CREATE INDEX results_archived ON results (archived_at, account, job);
CREATE INDEX results_archived_of_account ON results (account, archived_at, job);
CREATE INDEX results_kept ON results (archived_at) WHERE expired_at IS NULL AND state IN ('archived', 'partial');

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the log is append-only' USING ERRCODE = 'restrict_violation'; END $$;
CREATE TRIGGER events_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON events
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION refuse_gap() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  first bigint; last bigint; number bigint;
BEGIN
  SELECT min(seq), max(seq), count(*) INTO first, last, number FROM added;
  IF number > 0 AND (last - first + 1 <> number
      OR first <> coalesce((SELECT seq FROM events WHERE seq < first ORDER BY seq DESC LIMIT 1), 0) + 1) THEN
    RAISE EXCEPTION 'seq must grow by one' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER events_without_gaps AFTER INSERT ON events REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_gap();

CREATE FUNCTION count_jobs() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO job_counts SELECT account, status, deleted, count(*) FROM added GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (account, status, deleted) DO UPDATE SET jobs = job_counts.jobs + excluded.jobs;
  ELSE
    INSERT INTO job_counts VALUES (NEW.account, NEW.status, NEW.deleted, 1)
    ON CONFLICT (account, status, deleted) DO UPDATE SET jobs = job_counts.jobs + 1;
    UPDATE job_counts SET jobs = jobs - 1 WHERE account = OLD.account AND status = OLD.status AND deleted = OLD.deleted;
  END IF;
  RETURN NULL;
END $$;
CREATE FUNCTION discount_jobs() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  UPDATE job_counts SET jobs = job_counts.jobs - gone.jobs
  FROM (SELECT account, status, deleted, count(*) AS jobs FROM removed GROUP BY 1, 2, 3) AS gone
  WHERE (job_counts.account, job_counts.status, job_counts.deleted) = (gone.account, gone.status, gone.deleted);
  RETURN NULL;
END $$;
CREATE TRIGGER jobs_added AFTER INSERT ON jobs REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION count_jobs();
CREATE TRIGGER jobs_changed AFTER UPDATE ON jobs FOR EACH ROW  -- progress changes none of these, and costs no call
  WHEN ((OLD.account, OLD.status, OLD.deleted) IS DISTINCT FROM (NEW.account, NEW.status, NEW.deleted))
  EXECUTE FUNCTION count_jobs();
CREATE TRIGGER jobs_removed AFTER DELETE ON jobs REFERENCING OLD TABLE AS removed
  FOR EACH STATEMENT EXECUTE FUNCTION discount_jobs();
"""

_SCHEMA_2: Final = """
CREATE TABLE replicas (
  name text COLLATE "C" PRIMARY KEY,
  instance text COLLATE "C" NOT NULL UNIQUE,  -- one process's life: a random id
  process text COLLATE "C" NOT NULL DEFAULT '',  -- which process of which machine, so that its end can be seen after a kill
  version text COLLATE "C" NOT NULL,
  url text COLLATE "C",
  wanted text COLLATE "C" NOT NULL DEFAULT '[]',  -- JSON: the leases that its configuration has
  wanted_digest text COLLATE "C" NOT NULL DEFAULT '',
  joined_at bigint NOT NULL,
  renewed_at bigint NOT NULL,    -- Unix milliseconds of the server's clock, as all times here
  expires_at bigint NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE leases (
  kind text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  holder text COLLATE "C",       -- replicas.name; NULL if it is free
  instance text COLLATE "C",     -- replicas.instance; NULL if it is free
  epoch bigint NOT NULL DEFAULT 0,  -- raised by each change of hands
  since bigint,
  report text COLLATE "C",       -- JSON, what the holder says of it
  PRIMARY KEY (kind, name)
) WITH (fillfactor = 50);
CREATE INDEX leases_of_instance ON leases (instance);
"""

_SCHEMA_3: Final = """
CREATE TABLE silences (
  id text COLLATE "C" PRIMARY KEY,
  starts_at bigint NOT NULL,     -- Unix milliseconds, as all times here
  ends_at bigint NOT NULL,
  started_at bigint,             -- when its start was logged; NULL before
  ended_at bigint,               -- when it ended, at its time or earlier; NULL while it is open
  silenced bigint,               -- the deliveries that it kept; NULL while it is open
  data text COLLATE "C" NOT NULL -- JSON: core.silences.silence.Silence, as it was made
) WITH (fillfactor = 50);
CREATE INDEX silences_open ON silences (starts_at, id) WHERE ended_at IS NULL;
CREATE INDEX silences_ended ON silences (ended_at) WHERE ended_at IS NOT NULL;
ALTER TABLE log_head ADD COLUMN silences bigint NOT NULL DEFAULT 0;  -- raised by each change of what is open
ALTER TABLE deliveries ADD COLUMN silence text COLLATE "C";  -- silences.id; superseded with one: "silenced" elsewhere
CREATE INDEX deliveries_silenced ON deliveries (silence, type, seq) WHERE silence IS NOT NULL;
"""

_SCHEMA_4: Final = """
ALTER TABLE events ADD COLUMN base bigint;  -- as in SQLite; only an imported log has events in their short form
"""

_SCHEMA_5: Final = """
CREATE TABLE rare_events (       -- those of store.records.rare_events; the triggers below keep it
  type text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  account text COLLATE "C" NOT NULL,
  observed_at text COLLATE "C" NOT NULL,
  PRIMARY KEY (type, seq) INCLUDE (account, observed_at)
);
CREATE FUNCTION list_rare_event() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO rare_events VALUES (NEW.type, NEW.seq, NEW.account, NEW.observed_at);
  ELSE
    DELETE FROM rare_events WHERE type = OLD.type AND seq = OLD.seq;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER events_rare AFTER INSERT ON events FOR EACH ROW  -- progress costs no call
  WHEN (NEW.type NOT IN ('batch.created', 'batch.started', 'batch.progress', 'batch.completed'))
  EXECUTE FUNCTION list_rare_event();
CREATE TRIGGER events_rare_no_more AFTER DELETE ON events FOR EACH ROW
  WHEN (OLD.type NOT IN ('batch.created', 'batch.started', 'batch.progress', 'batch.completed'))
  EXECUTE FUNCTION list_rare_event();
INSERT INTO rare_events SELECT type, seq, account, observed_at FROM events  -- its index alone is read, of vacuumed pages
  WHERE seq > 0 AND type NOT IN ('batch.created', 'batch.started', 'batch.progress', 'batch.completed');
"""

_SCHEMA_6: Final = """
ALTER TABLE jobs ADD COLUMN progress text COLLATE "C";  -- what differs from `data` since the job was last logged
ALTER TABLE jobs ADD COLUMN progress_of bigint;  -- the `seq` that it builds on; a replica that does not know it raises `seq`
"""

MIGRATIONS: Final = tuple(Migration(sql, 1) for sql in (_SCHEMA_1, _SCHEMA_2, _SCHEMA_3, _SCHEMA_4, _SCHEMA_5, _SCHEMA_6))
"""Migration N makes a schema of version N - 1 one of version N."""
