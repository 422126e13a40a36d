ALTER TABLE jobs ADD COLUMN ended_at INTEGER AS (
  CASE WHEN active THEN NULL
  WHEN json_valid(data) AND json_type(data, '$.completed_at') = 'integer'
    AND json_extract(data, '$.completed_at') BETWEEN 0 AND 253402300799 THEN json_extract(data, '$.completed_at')
  ELSE coalesce(CAST(strftime('%s', observed_at) AS INTEGER), created_at) END) VIRTUAL;
CREATE INDEX jobs_ended ON jobs (ended_at DESC, account, id) WHERE NOT active;
CREATE INDEX jobs_ended_of_account ON jobs (account, ended_at DESC, id) WHERE NOT active;
CREATE INDEX jobs_ended_of_status ON jobs (status, ended_at DESC, account, id) WHERE NOT active;
PRAGMA user_version = 10;
