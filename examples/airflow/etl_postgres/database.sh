# A Postgres server on the port of the first argument, whose data is gone when it ends. It never runs as root.
set -euo pipefail
port=$1
programs=$(dirname "$(ls -d /usr/lib/postgresql/*/bin/postgres "$(command -v postgres || true)" 2>/dev/null | tail -n 1)")
data=$(mktemp -d /tmp/etl-database.XXXXXX)
as_owner=()
if [ "$(id -u)" = 0 ]; then
  chown 65534:65534 "$data"
  as_owner=(setpriv --reuid=65534 --regid=65534 --clear-groups)
fi
"${as_owner[@]}" "$programs/initdb" --pgdata "$data/db" --auth trust --username etl --no-sync >/dev/null
"${as_owner[@]}" "$programs/postgres" -D "$data/db" -p "$port" -k "$data" -c listen_addresses='*' -c fsync=off &
server=$!
trap 'kill -INT "$server"; wait "$server"; rm -rf "$data"' TERM INT
wait "$server"
