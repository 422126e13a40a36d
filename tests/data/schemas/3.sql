CREATE INDEX events_deadline ON events (account, job) WHERE type = 'batch.deadline';
CREATE INDEX events_of_account ON events (account, seq) WHERE job IS NULL;
PRAGMA user_version = 3;
