CREATE TABLE cards (
  receiver TEXT NOT NULL,
  stream TEXT NOT NULL,
  card TEXT NOT NULL,         -- the message that shows the job, as notify.slack_bot writes it
  PRIMARY KEY (receiver, stream)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_ended ON deliveries (ended_at) WHERE state IN ('delivered', 'superseded');
PRAGMA user_version = 4;
