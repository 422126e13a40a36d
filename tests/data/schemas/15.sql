ALTER TABLE jobs ADD COLUMN progress TEXT;
ALTER TABLE jobs ADD COLUMN progress_of INTEGER;
PRAGMA user_version = 15;
