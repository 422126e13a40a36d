ALTER TABLE accounts ADD COLUMN swept_at INTEGER;
PRAGMA user_version = 9;
