CREATE TABLE job_counts (     -- how many jobs there are, so that nobody has to count them; the triggers below keep it
  account TEXT NOT NULL,
  status TEXT NOT NULL,       -- as the API has it, also one that nobody knows
  deleted INTEGER NOT NULL,
  jobs INTEGER NOT NULL,
  PRIMARY KEY (account, status, deleted)
) STRICT, WITHOUT ROWID;
CREATE INDEX jobs_newest ON jobs (created_at DESC, account, id);
CREATE INDEX jobs_newest_active ON jobs (created_at DESC, account, id) WHERE active;
CREATE INDEX deliveries_dead ON deliveries (receiver, seq) WHERE state = 'dead';
CREATE TRIGGER jobs_counted AFTER INSERT ON jobs BEGIN
  INSERT INTO job_counts VALUES (NEW.account, NEW.status, NEW.deleted, 1)
    ON CONFLICT (account, status, deleted) DO UPDATE SET jobs = jobs + 1;
END;
CREATE TRIGGER jobs_counted_anew AFTER UPDATE OF account, status, deleted ON jobs
WHEN (OLD.account, OLD.status, OLD.deleted) IS NOT (NEW.account, NEW.status, NEW.deleted) BEGIN
  UPDATE job_counts SET jobs = jobs - 1 WHERE account = OLD.account AND status = OLD.status AND deleted = OLD.deleted;
  INSERT INTO job_counts VALUES (NEW.account, NEW.status, NEW.deleted, 1)
    ON CONFLICT (account, status, deleted) DO UPDATE SET jobs = jobs + 1;
END;
CREATE TRIGGER jobs_not_counted AFTER DELETE ON jobs BEGIN
  UPDATE job_counts SET jobs = jobs - 1 WHERE account = OLD.account AND status = OLD.status AND deleted = OLD.deleted;
END;
PRAGMA user_version = 5;
