#!/bin/sh
# Run once, by PostgreSQL's image, in a new cluster: the API's login with its password, before the first migration gives it rights.
set -eu
psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" -v password="$SLUICE_API_PASSWORD" << 'SQL'
CREATE ROLE sluice_api NOINHERIT LOGIN PASSWORD :'password';
SQL
