# Writes what each shop sold.
set -euo pipefail
export PGHOST=$1 PGPORT=$2 PGUSER=etl PGDATABASE=postgres
PATH=$PATH:$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)
mkdir "$HPC_COMPOSE_JOB_DIR/report"
psql --quiet --csv --command 'select shop, sum(amount) as total from sales group by shop order by shop' \
  >"$HPC_COMPOSE_JOB_DIR/report/totals.csv"
cat "$HPC_COMPOSE_JOB_DIR/report/totals.csv"
