#!/bin/sh
# Run once, by PostgreSQL's image, in a new cluster: the API's login with its password, before the first migration gives it rights.
# psql takes the password from its environment: arguments are there for everybody to see (ps).
set -eu
export SLUICE_API_PASSWORD
psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" << 'SQL'
\getenv password SLUICE_API_PASSWORD
CREATE ROLE sluice_api NOINHERIT LOGIN PASSWORD :'password';
SQL
