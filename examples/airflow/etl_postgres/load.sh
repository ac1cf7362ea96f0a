# Reads sales.csv into the database at host and port.
set -euo pipefail
export PGHOST=$1 PGPORT=$2 PGUSER=etl PGDATABASE=postgres
PATH=$PATH:$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)
until psql --quiet --command 'select 1' >/dev/null 2>&1; do sleep 0.2; done # it listens a moment before it answers
psql --quiet --command 'create table sales (shop text, amount numeric)'
psql --quiet --command '\copy sales from sales.csv with (format csv, header)'
echo "loaded $(psql --tuples-only --no-align --command 'select count(*) from sales') sales of ${DAY:-some day}"
