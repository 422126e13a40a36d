ALTER TABLE attempts ADD COLUMN retry_after INTEGER;
ALTER TABLE receivers ADD COLUMN asked_until INTEGER NOT NULL DEFAULT 0;
UPDATE receivers SET asked_until = quiet_until WHERE failures < 5 OR reason = 'rate_limited';
PRAGMA user_version = 7;
