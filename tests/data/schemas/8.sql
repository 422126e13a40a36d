ALTER TABLE deliveries ADD COLUMN replays INTEGER NOT NULL DEFAULT 0;
CREATE INDEX jobs_deleted ON jobs (account, observed_at) WHERE deleted;
PRAGMA user_version = 8;
