"""The text of every configuration file of the test bench: pure functions of its layout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

GPUS_PER_NODE = 2
CPUS_PER_NODE = 8
MEMORY_MIB_PER_NODE = 16000


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where the parts of one bench live and which ports they listen on."""

    root: Path
    controller_host: str
    """The name slurmctld and slurmdbd run under: both refuse to start on a host of another name."""
    node_hosts: dict[str, str]
    """Node name to the hostname its slurmd sees: the same with namespaces, the host's own without."""
    controller_port: int
    node_ports: dict[str, int]
    database_port: int | None
    """slurmdbd's port; None is a bench without accounting."""
    freezer: bool
    """Whether slurmd follows a job's processes by the freezer cgroup, or by their parents."""
    gpu_files: bool
    """Whether `dev/nvidia*` are character devices; without, GPUs are only counted."""
    kill_wait_s: int
    min_job_age_s: int
    max_array_size: int
    message_timeout_s: int
    slurmd_timeout_s: int
    over_memory_kill: bool

    @property
    def slurm_conf(self) -> Path:
        return self.root / "etc/slurm.conf"

    @property
    def munge_socket(self) -> Path:
        return self.root / "run/munge.sock"

    @property
    def mysql_socket(self) -> Path:
        return self.root / "db/mysql.sock"


def slurm_conf(layout: Layout, *, first_job_id: int) -> str:
    """`slurm.conf`: several over-declared nodes, schedulers tuned to answer within a second."""
    root = layout.root
    nodes = _range(list(layout.node_hosts))
    gpu_nodes = _range(list(layout.node_hosts)[-2:])
    lines = [
        "ClusterName=bench",
        f"SlurmctldHost={layout.controller_host}(127.0.0.1)",
        "SlurmUser=root",
        "SlurmdUser=root",
        f"SlurmctldPort={layout.controller_port}",
        "AuthType=auth/munge",
        "CredType=cred/munge",
        # cred_expire is also the delay before a requeued job may start again (120 s by default).
        f"AuthInfo=socket={layout.munge_socket},cred_expire=5",
        f"StateSaveLocation={root}/state",
        f"SlurmdSpoolDir={root}/spool/%n",
        f"SlurmctldPidFile={root}/run/slurmctld.pid",
        f"SlurmdPidFile={root}/run/slurmd-%n.pid",
        f"SlurmctldLogFile={root}/log/slurmctld.log",
        f"SlurmdLogFile={root}/log/slurmd-%n.log",
        f"PlugStackConfig={root}/etc/plugstack.conf",
        # The job ids of a bench may be reset, which changes this file under running slurmds.
        "DebugFlags=NO_CONF_HASH",
        "SlurmctldDebug=info",
        "SlurmdDebug=info",
        "MpiDefault=none",
        "SwitchType=switch/none",
        "ReturnToService=2",
        f"FirstJobId={first_job_id}",
        f"MaxArraySize={layout.max_array_size}",
        "MaxJobCount=20000",
        f"MinJobAge={layout.min_job_age_s}",
        f"KillWait={layout.kill_wait_s}",
        "UnkillableStepTimeout=30",
        "SlurmctldTimeout=30",
        f"SlurmdTimeout={layout.slurmd_timeout_s}",
        "InactiveLimit=0",
        f"MessageTimeout={layout.message_timeout_s}",
        "TCPTimeout=2",
        "JobRequeue=1",
        "CompleteWait=0",
        "SlurmdParameters=config_overrides",
        "LaunchParameters=use_interactive_step",
        "SchedulerType=sched/backfill",
        "SchedulerParameters=sched_interval=2,batch_sched_delay=0,bf_interval=1,bf_resolution=60,sched_min_interval=0",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_Core_Memory",
        "DefMemPerCPU=500",
        "PriorityType=priority/basic",
        "PreemptType=preempt/partition_prio",
        "PreemptMode=REQUEUE",
        # Clusters use cgroups, from which no process escapes; linuxproc loses one that left its session and parent.
        f"ProctrackType=proctrack/{'cgroup' if layout.freezer else 'linuxproc'}",
        "TaskPlugin=task/none",
        "PrologFlags=Alloc,Contain",
        "JobAcctGatherType=jobacct_gather/linux",
        "JobAcctGatherFrequency=task=1",
        *(["JobAcctGatherParams=OverMemoryKill"] if layout.over_memory_kill else []),
        *_accounting(layout),
        "GresTypes=gpu",
        f"NodeName=DEFAULT CPUs={CPUS_PER_NODE} Boards=1 SocketsPerBoard=1 CoresPerSocket={CPUS_PER_NODE} ThreadsPerCore=1"
        f" RealMemory={MEMORY_MIB_PER_NODE} TmpDisk=1000 Gres=gpu:fake:{GPUS_PER_NODE} State=UNKNOWN",
        *(
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={layout.node_ports[node]}"
            for node, host in layout.node_hosts.items()
        ),
        "PartitionName=DEFAULT MaxTime=1-00:00:00 DefaultTime=00:10:00 State=UP OverSubscribe=NO",
        f"PartitionName=debug Nodes={nodes} Default=YES PriorityTier=10 PreemptMode=OFF",
        f"PartitionName=gpu Nodes={gpu_nodes} PriorityTier=10 PreemptMode=OFF",
        f"PartitionName=preempt Nodes={nodes} PriorityTier=1 PreemptMode=REQUEUE GraceTime=0",
    ]
    return "\n".join(lines) + "\n"


def _accounting(layout: Layout) -> list[str]:
    if layout.database_port is None:
        return ["AccountingStorageType=accounting_storage/none", "JobCompType=jobcomp/none"]
    return [
        "AccountingStorageType=accounting_storage/slurmdbd",
        "AccountingStorageHost=127.0.0.1",
        f"AccountingStoragePort={layout.database_port}",
        # AuthInfo is not used for this connection.
        f"AccountingStoragePass=socket={layout.munge_socket}",
        "AccountingStorageTRES=gres/gpu",
        "AccountingStoreFlags=job_comment,job_script",
        "AccountingStorageEnforce=associations,qos",
    ]


def slurmdbd_conf(layout: Layout) -> str:
    """`slurmdbd.conf`: must have mode 0600, or slurmdbd refuses it."""
    root = layout.root
    lines = [
        "AuthType=auth/munge",
        f"AuthInfo=socket={layout.munge_socket}",
        f"DbdHost={layout.controller_host}",
        "DbdAddr=127.0.0.1",
        f"DbdPort={layout.database_port}",
        "SlurmUser=root",
        "DebugLevel=info",
        f"LogFile={root}/log/slurmdbd.log",
        f"PidFile={root}/run/slurmdbd.pid",
        "StorageType=accounting_storage/mysql",
        # "localhost" means the socket of MYSQL_UNIX_PORT.
        "StorageHost=localhost",
        "StorageUser=root",
        "StorageLoc=slurm_acct_db",
    ]
    return "\n".join(lines) + "\n"


def mysql_cnf(layout: Layout) -> str:
    """A database without a TCP port and without durability: it lives as long as its bench.

    Its root needs no password, but its socket lies in a folder that only root may enter.
    """
    db = layout.root / "db"
    lines = [
        "[mysqld]",
        "user=root",
        f"datadir={db}/data",
        f"socket={layout.mysql_socket}",
        f"pid-file={db}/mysqld.pid",
        f"tmpdir={db}/tmp",
        "skip-networking",
        "skip-name-resolve",
        "skip-log-bin",
        "innodb_buffer_pool_size=32M",
        "innodb_log_file_size=16M",
        "innodb_flush_log_at_trx_commit=0",
        "innodb_doublewrite=0",
        "innodb_lock_wait_timeout=900",
        "aria_pagecache_buffer_size=8M",
        "performance_schema=OFF",
    ]
    return "\n".join(lines) + "\n"


def gres_conf(layout: Layout) -> str:
    """`gres.conf`: two GPUs a node, as character devices that stand in for `/dev/nvidia0` and `1`, or only counted."""
    files = f"File={layout.root}/dev/nvidia[0-{GPUS_PER_NODE - 1}]" if layout.gpu_files else f"Count={GPUS_PER_NODE}"
    return f"AutoDetect=off\nNodeName={_range(list(layout.node_hosts))} Name=gpu Type=fake {files}\n"


def cgroup_conf(layout: Layout) -> str:
    """`cgroup.conf`: the freezer as the nodes see it, and nothing else of the host's cgroups."""
    return "CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n" if layout.freezer else "CgroupAutomount=no\n"


def hosts_file(layout: Layout) -> str:
    """`/etc/hosts` as the nodes see it: every node is found by its name."""
    names = " ".join(dict.fromkeys([*layout.node_hosts.values(), layout.controller_host]))
    return f"127.0.0.1 localhost {names}\n::1 localhost\n"


def _range(nodes: list[str]) -> str:
    return ",".join(nodes)
