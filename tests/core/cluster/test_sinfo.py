from __future__ import annotations

from compose_core.cluster.sinfo import parse_sinfo

US = "\x1f"


def test_partitions_and_their_nodes() -> None:
    text = US.join(["debug*", "up", "1-00:00:00", "4", "idle", "8", "16000", "gpu:fake:2", "(null)"])
    text += "\n" + US.join(["long", "down", "infinite", "2", "down*", "64+", "256000+", "(null)", "a,b"]) + "\nnoise\n"
    debug, long = parse_sinfo(text)
    assert (debug.partition, debug.is_default, debug.is_up, debug.time_limit_s) == ("debug", True, True, 86400)
    assert (debug.node_count, debug.cpus_per_node, debug.memory_mib, debug.gres) == (4, 8, 16000, "gpu:fake:2")
    assert (long.is_default, long.is_up, long.time_limit_s, long.state) == (False, False, None, "down*")
    assert (long.cpus_per_node, long.memory_mib, long.gres, long.features) == (64, 256000, "", "a,b")
