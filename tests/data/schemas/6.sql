CREATE INDEX events_narrow ON events (seq, type, account, observed_at);
CREATE INDEX jobs_newest_of_status ON jobs (status, created_at DESC, account, id);
CREATE INDEX deliveries_open ON deliveries (seq, receiver) WHERE state IN ('pending', 'dead');
PRAGMA user_version = 6;
