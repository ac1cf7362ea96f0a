"""Docker's `healthcheck` as a readiness that the supervisor can probe from outside of the container."""

from __future__ import annotations

from typing import Any

from compose_core.migrate.nodes import map_of, text_of, texts_of
from compose_core.migrate.notes import Notes
from compose_core.spec.healthcheck import UnsupportedProbe, probe_fields, probe_words
from compose_core.spec.nodes import KeyPath, ListNode, Node
from compose_core.units import parse_duration_s

_PORT_OF_PROGRAM = {
    "redis-cli": 6379,
    "valkey-cli": 6379,
    "pg_isready": 5432,
    "psql": 5432,
    "mysqladmin": 3306,
    "mysql": 3306,
    "mariadb": 3306,
    "mariadb-admin": 3306,
    "healthcheck.sh": 3306,
    "mongosh": 27017,
    "mongo": 27017,
    "rabbitmq-diagnostics": 5672,
    "rabbitmqctl": 5672,
    "kafka-topics": 9092,
    "kafka-topics.sh": 9092,
    "kafka-broker-api-versions": 9092,
    "kafka-broker-api-versions.sh": 9092,
    "cqlsh": 9042,
    "nodetool": 9042,
    "zkServer.sh": 2181,
    "clickhouse-client": 9000,
    "etcdctl": 2379,
    "mc": 9000,
    "influx": 8086,
}
"""The port on which the server listens that this client asks; from the programs' own documentation."""

PORT_OF_IMAGE = {
    "redis": 6379,
    "valkey": 6379,
    "postgres": 5432,
    "postgis": 5432,
    "pgvector": 5432,
    "timescaledb": 5432,
    "mysql": 3306,
    "mariadb": 3306,
    "mongo": 27017,
    "rabbitmq": 5672,
    "kafka": 9092,
    "cassandra": 9042,
    "zookeeper": 2181,
    "memcached": 11211,
    "elasticsearch": 9200,
    "opensearch": 9200,
    "minio": 9000,
    "etcd": 2379,
    "nats": 4222,
    "influxdb": 8086,
    "clickhouse-server": 9000,
    "qdrant": 6333,
    "ollama": 11434,
}
"""The port that the image's documentation names first."""

_SHELL_WORDS = frozenset({"sh", "bash", "-c", "CMD", "CMD-SHELL", "timeout"})
_LEAST_TIMEOUT_S, _DOCKER_INTERVAL_S, _DOCKER_RETRIES = 30, 30, 3


def readiness_of(node: Node, path: KeyPath, ports: list[int], notes: Notes) -> dict[str, Any] | None:
    """The `readiness` for a healthcheck; None when there is none, or none that can be told (then that is noted)."""
    check = map_of(node)
    test = check.items.get("test") if check is not None else None
    if check is None or test is None or text_of(check.items.get("disable")) == "true" or _is_none(test):
        notes.converted(node.mark, path, "no health check")
        return None
    readiness = _probe(test, path, ports, notes)
    if readiness is not None:
        readiness["timeout_seconds"] = _timeout_s(check.items)
    return readiness


def tcp(port: int) -> dict[str, Any]:
    """The port takes connections."""
    return {"type": "tcp", "host": "127.0.0.1", "port": port}


def _is_none(test: Node) -> bool:
    return isinstance(test, ListNode) and [text for text, _ in texts_of(test)] == ["NONE"]


def _probe(test: Node, path: KeyPath, ports: list[int], notes: Notes) -> dict[str, Any] | None:
    key = (*path, "test")
    try:
        fields = probe_fields(test)
    except UnsupportedProbe:
        return _by_port(test, key, ports, notes)
    found: dict[str, Any] = {name: int(text) if text.isdecimal() else text for name, text in fields.items()}
    if found.get("host") == "localhost":
        found["host"] = "127.0.0.1"
    notes.converted(test.mark, key, f"readiness: {found['type']} probe, asked from outside of the container")
    return found


def _by_port(test: Node, key: KeyPath, ports: list[int], notes: Notes) -> dict[str, Any] | None:
    program = next((word for word in _words(test) if word not in _SHELL_WORDS and not word.isdecimal()), "")
    port = _PORT_OF_PROGRAM.get(program.rpartition("/")[2]) or (ports[0] if ports else None)
    if port is None:
        notes.manual(
            test.mark, key, "it runs a program in the container; write `readiness:` with tcp, http, log or sleep"
        )
        return None
    notes.changed(test.mark, key, f"`{program}` in the container became a connection to port {port} from outside")
    return tcp(port)


def _words(test: Node) -> list[str]:
    try:
        return probe_words(test)
    except UnsupportedProbe:
        return " ".join(text for text, _ in texts_of(test)).replace('"', " ").split()


def _timeout_s(check: Any) -> int:
    """What Docker would have waited before it called the service unhealthy."""
    interval = _seconds(text_of(check.get("interval")), _DOCKER_INTERVAL_S)
    retries_text = text_of(check.get("retries"))
    retries = int(retries_text) if retries_text is not None and retries_text.isdecimal() else _DOCKER_RETRIES
    return max(_LEAST_TIMEOUT_S, _seconds(text_of(check.get("start_period")), 0) + interval * retries)


def _seconds(text: str | None, default: int) -> int:
    try:
        return parse_duration_s(text) if text else default
    except ValueError:
        return default
