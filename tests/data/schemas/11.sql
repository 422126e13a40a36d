CREATE TABLE archive_tasks (
  account TEXT NOT NULL,
  job TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  reason TEXT NOT NULL,
  detail TEXT NOT NULL,
  PRIMARY KEY (account, job)
) STRICT, WITHOUT ROWID;
CREATE INDEX archive_tasks_due ON archive_tasks (account, due_at, job);

CREATE TABLE results (
  account TEXT NOT NULL,
  job TEXT NOT NULL,
  state TEXT NOT NULL,
  archived_at INTEGER NOT NULL,
  expired_at INTEGER,
  data TEXT NOT NULL,
  PRIMARY KEY (account, job)
) STRICT, WITHOUT ROWID;
CREATE INDEX results_archived ON results (archived_at, account, job);
CREATE INDEX results_archived_of_account ON results (account, archived_at, job);
CREATE INDEX results_kept ON results (archived_at)
  WHERE expired_at IS NULL AND state IN ('archived', 'partial');
PRAGMA user_version = 11;
