-- The roles of batch-tracker on PostgreSQL, each with the rights that it needs and no more. Run it as a superuser in the
-- database that the replicas will share, any number of times: `psql -d batch_tracker -f roles.sql`.
--
-- batch_tracker_owner    owns the schema: `batch-tracker migrate` and `import`, pg_restore
-- batch_tracker_writer   what a replica needs, and the commands that change something
-- batch_tracker_reader   commands that read, dashboards, pg_dump
--
-- Set their passwords with psql's \password. Another schema (`storage.schema`): `psql -v schema=other …`.

\set ON_ERROR_STOP on
\if :{?schema}
\else
  \set schema batch_tracker
\endif

SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY['batch_tracker_owner', 'batch_tracker_writer', 'batch_tracker_reader']) AS name
WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = name) \gexec

ALTER ROLE batch_tracker_reader SET default_transaction_read_only = on;

BEGIN;
GRANT CONNECT ON DATABASE :"DBNAME" TO batch_tracker_owner, batch_tracker_writer, batch_tracker_reader;
GRANT CREATE ON DATABASE :"DBNAME" TO batch_tracker_owner; -- pg_restore creates the schema

CREATE SCHEMA IF NOT EXISTS :"schema" AUTHORIZATION batch_tracker_owner;
REVOKE ALL ON SCHEMA :"schema" FROM PUBLIC;
GRANT USAGE ON SCHEMA :"schema" TO batch_tracker_writer, batch_tracker_reader;

-- For the tables that migrations will add, and for those that are there.
ALTER DEFAULT PRIVILEGES FOR ROLE batch_tracker_owner IN SCHEMA :"schema" GRANT SELECT ON TABLES TO batch_tracker_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE batch_tracker_owner IN SCHEMA :"schema"
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO batch_tracker_writer;
GRANT SELECT ON ALL TABLES IN SCHEMA :"schema" TO batch_tracker_reader;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA :"schema" TO batch_tracker_writer;

-- The log is append-only by a trigger; the writer, who may not disable it, does not even have the right. Run this file again
-- after the first `migrate` for that.
SELECT format('REVOKE UPDATE, DELETE ON %I.%I FROM batch_tracker_writer', schemaname, tablename)
FROM pg_tables WHERE schemaname = :'schema' AND tablename = 'events' \gexec
SELECT format('REVOKE INSERT, UPDATE, DELETE ON %I.%I FROM batch_tracker_writer', schemaname, tablename)
FROM pg_tables WHERE schemaname = :'schema' AND tablename = 'schema_version' \gexec
COMMIT;
