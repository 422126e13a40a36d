#!/bin/sh
# Gives the roles of batch-tracker the password of this example, when PostgreSQL's volume is new.
set -eu
for role in batch_tracker_owner batch_tracker_writer batch_tracker_reader; do
  psql -X -q -v ON_ERROR_STOP=1 -v role="$role" -v password="$POSTGRES_PASSWORD" \
    --username "${POSTGRES_USER:-postgres}" --dbname "$POSTGRES_DB" <<'SQL'
ALTER ROLE :"role" PASSWORD :'password';
SQL
done
