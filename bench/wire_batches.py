"""
Batches to measure and to break: one of a busy node, and as many random ones as are asked for.

Flow: **wire_batches** -> fuzz_wire, tests. The same seed gives the same batch.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar
from uuid import UUID

from kinwatch.aspects import Aspect
from kinwatch.batch import Batch, BatchKey, Expected, NodeCoverage
from kinwatch.snapshot import Coverage, Features, Origin, Replica, Snapshot, Window, Workload

ODD_TEXTS: Final = (
    "",
    " ",
    "a",
    "b",
    "null",
    "\0",
    "@\0b",
    "\n",
    "é",
    "\u202e",
    "\U0001f980",
    "\\xff",
    "/x" * 100,
)
"""Texts that a program may stumble over, each of them allowed."""
ODD_NUMBERS: Final = (0, 1, 127, 128, 255, 65_536, 2**32, 2**63 - 1)
START: Final = datetime(2026, 11, 23, 9, 46, tzinfo=UTC)
_CALLS: Final = (
    "accept4 access arch_prctl bind brk clone clone3 close connect dup dup2 epoll_create1 epoll_ctl epoll_pwait execve "
    "exit_group fadvise64 fcntl fstat futex getcwd getdents64 getegid geteuid getgid getpid getppid getrandom "
    "getsockname getsockopt getuid ioctl listen lseek lstat madvise mmap mprotect munmap nanosleep newfstatat openat "
    "pipe2 poll prctl pread64 prlimit64 read readlink recvfrom recvmsg rt_sigaction rt_sigprocmask sched_yield sendmsg "
    "sendto set_robust_list set_tid_address setsockopt shutdown sigaltstack socket statfs statx sysinfo umask uname "
    "unlink wait4 write writev"
).split()
_KINDS: Final = "file net process memory signal ipc time user wait other directory ipv4 unix pipe".split()
_PORTS: Final = (53, 80, 443, 5432, 6379, 8080, 9092, 9200)
_PROGRAMS: Final = "nginx gunicorn python3 sh curl postgres pg_isready node logrotate cat date sleep".split()
_FOLDERS: Final = (
    "/usr/lib/x86_64-linux-gnu /usr/lib/python3.11/site-packages /etc/nginx/conf.d /var/lib/app/data "
    "/var/cache/nginx/proxy_temp /proc/self /sys/fs/cgroup /opt/service/templates /usr/share/zoneinfo /run/secrets"
).split()
_WORDS: Final = (
    "index session order basket user image static config cache token report metrics health worker queue item price "
    "stock review login locale currency invoice payment"
).split()
_SHARED: Final = {
    Aspect.SYSCALLS: 60,
    Aspect.SYSCALL_CATEGORIES: 8,
    Aspect.DIRECTORIES: 25,
    Aspect.FILENAMES: 40,
    Aspect.FILE_OPERATIONS: 7,
    Aspect.PROCESSES: 6,
    Aspect.COMMANDS: 8,
    Aspect.CWDS: 2,
    Aspect.EXECUTABLES: 6,
    Aspect.ENDPOINTS: 7,
    Aspect.PRIVILEGES: 3,
}
"""Features that all replicas of a service have: 180, with the arguments of the commands."""
_OWN: Final = {Aspect.DIRECTORIES: 5, Aspect.FILENAMES: 9, Aspect.COMMANDS: 3}
"""Features that one replica has and no other: 20, with the arguments of the commands."""


def busy_node(*, replicas: int = 30, services: int = 6, seed: int = 1) -> Batch:
    """A window of a node on which some services have some replicas each, of 200 features; 90 % their kin have too."""
    rng = random.Random(seed)  # noqa: S311 - the same every time
    window = Window(start=START, seconds=30.0)
    shared = [_shared(rng, service) for service in range(services)]
    snapshots = tuple(
        _snapshot(rng, window, number % services, shared[number % services]) for number in range(replicas)
    )
    return Batch(
        key=BatchKey(node="gke-shop-pool-1-5f0a7c31-x2vd", boot=str(UUID(int=rng.getrandbits(128))), sequence=2880),
        window=window,
        late=False,
        agent_version="0.4.0",
        coverage=NodeCoverage(observed_s=30.0, lost={}, names_source="kubelet", problem=None),
        expected=tuple(Expected(replica=one.replica, workload=one.workload, resolved=True) for one in snapshots),
        snapshots=snapshots,
    )


def _shared(rng: random.Random, service: int) -> dict[Aspect, Features]:
    return _gathered(rng, service, _SHARED)


def _gathered(rng: random.Random, service: int, counts: Mapping[Aspect, int]) -> dict[Aspect, Features]:
    features = {aspect: _distinct(rng, aspect, count, f"svc{service}") for aspect, count in counts.items()}
    return features | {Aspect.ARGUMENTS: frozenset(one.partition(" ")[2] for one in features[Aspect.COMMANDS])}


def _distinct(rng: random.Random, aspect: Aspect, count: int, tag: str) -> Features:
    features: set[str] = set()
    while len(features) < count:
        features.add(_feature(rng, aspect, tag))
    return frozenset(features)


def _feature(rng: random.Random, aspect: Aspect, tag: str) -> str:
    word, other = rng.choice(_WORDS), rng.choice(_WORDS)
    spelled = {
        Aspect.SYSCALLS: rng.choice(_CALLS),
        Aspect.SYSCALL_CATEGORIES: rng.choice(_KINDS),
        Aspect.FILE_OPERATIONS: rng.choice(_KINDS),
        Aspect.DIRECTORIES: f"{rng.choice(_FOLDERS)}/{word}/{rng.getrandbits(20):x}",
        Aspect.FILENAMES: f"{word}_{other}.{rng.getrandbits(24):x}",
        Aspect.PROCESSES: rng.choice(_PROGRAMS),
        Aspect.EXECUTABLES: f"/usr/bin/{rng.choice(_PROGRAMS)}",
        Aspect.COMMANDS: f"{rng.choice(_PROGRAMS)} {_arguments(rng, tag, word)}",
        Aspect.CWDS: f"/srv/{word}",
        Aspect.ENDPOINTS: f"connect tcp {rng.choice(_PORTS)} private",
        Aspect.PRIVILEGES: f"uid {rng.randrange(2000)}",
    }
    return spelled[aspect]


def _arguments(rng: random.Random, tag: str, word: str) -> str:
    return f"--config /etc/{tag}/{word}.yaml --worker {rng.randrange(64)} --request-id {rng.getrandbits(32):08x}"


def _snapshot(rng: random.Random, window: Window, service: int, shared: dict[Aspect, Features]) -> Snapshot:
    own = _gathered(rng, service, _OWN)
    aspects = {aspect: shared.get(aspect, frozenset()) | own.get(aspect, frozenset()) for aspect in Aspect}
    return Snapshot(
        window=window,
        node="gke-shop-pool-1-5f0a7c31-x2vd",
        replica=_replica(rng, service),
        workload=Workload(kind="Deployment", name=f"service-{service}", revision=f"{0x6D4F0000 + service:x}"),
        aspects=aspects,
        coverage=Coverage(
            observed_s=30.0 + rng.random() / 100, events=rng.randrange(10**6), lost={}, truncated={}, resolved=True
        ),
        origins=frozenset(
            Origin(command=command, parent="runc:[2:INIT]", outside=True) for command in shared[Aspect.COMMANDS]
        ),
    )


def _replica(rng: random.Random, service: int) -> Replica:
    uid, container_id = str(UUID(int=rng.getrandbits(128))), f"{rng.getrandbits(256):064x}"
    slug = uid.replace("-", "_")
    pod = "".join(rng.choices("bcdfghjklmnpqrstvwxz2456789", k=5))
    return Replica(
        namespace="shop",
        pod=f"service-{service}-{0x6D4F0000 + service:x}-{pod}",
        pod_uid=uid,
        container=f"service-{service}",
        container_id=container_id,
        role="app",
        cgroup=f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{slug}.slice/"
        f"cri-containerd-{container_id}.scope",
    )


Value = TypeVar("Value")


def random_batch(rng: random.Random) -> Batch:
    """A batch of up to four replicas with few features, whatever the schema allows."""
    length_ms = rng.choice([1, 500, 1100, 30_000, 3_600_000])
    start = datetime.fromtimestamp(0, tz=UTC) + timedelta(milliseconds=length_ms * rng.randrange(40_000))
    window = Window(start=start, seconds=length_ms / 1000)
    node, late = rng.choice(["n", "node-1", "é"]), rng.random() < 0.2  # noqa: PLR2004 - one in five
    replicas = list({_odd_replica(rng): None for _ in range(rng.randrange(5))})
    snapshots = tuple(_odd_snapshot(rng, window, node, one) for one in replicas if rng.random() < 0.8)  # noqa: PLR2004
    expected = [_expected(rng, one) for one in snapshots]
    return Batch(
        key=BatchKey(node=node, boot=str(UUID(int=rng.getrandbits(128))), sequence=max(1, rng.choice(ODD_NUMBERS))),
        window=window,
        late=late,
        agent_version=rng.choice(ODD_TEXTS),
        coverage=NodeCoverage(
            observed_s=_odd_seconds(rng),
            lost=_odd_counts(rng, ODD_TEXTS),
            names_source=_maybe(rng, "kubelet"),
            problem=_maybe(rng, rng.choice(ODD_TEXTS)),
        ),
        expected=() if late else tuple(expected),
        snapshots=snapshots,
    )


def _expected(rng: random.Random, snapshot: Snapshot) -> Expected:
    """A replica as its snapshot has it, or as it was not yet known."""
    known = rng.choice([True, False])
    workload = snapshot.workload if known else Workload()
    return Expected(replica=snapshot.replica, workload=workload, resolved=known and snapshot.coverage.resolved)


def _odd_snapshot(rng: random.Random, window: Window, node: str, replica: Replica) -> Snapshot:
    aspects = [aspect for aspect in Aspect if rng.choice([True, False])]
    return Snapshot(
        window=window,
        node=node,
        replica=replica,
        workload=Workload(kind=_maybe(rng, "Deployment"), name=_maybe(rng, rng.choice(ODD_TEXTS))),
        aspects={aspect: _some(rng, ODD_TEXTS) for aspect in aspects},
        coverage=Coverage(
            observed_s=_odd_seconds(rng),
            events=rng.choice(ODD_NUMBERS),
            lost=_odd_counts(rng, ODD_TEXTS),
            truncated=_odd_counts(rng, [aspect.value for aspect in Aspect]),
            resolved=rng.choice([True, False]),
        ),
        origins=frozenset(
            Origin(command=rng.choice(ODD_TEXTS), parent=rng.choice(ODD_TEXTS), outside=rng.choice([True, False]))
            for _ in range(rng.randrange(4))
        ),
    )


def _odd_replica(rng: random.Random) -> Replica:
    return Replica(
        namespace=_maybe(rng, "shop"),
        pod=_maybe(rng, rng.choice(ODD_TEXTS)),
        container_id=_maybe(rng, f"{rng.getrandbits(256):064x}"),
        role=_maybe(rng, "app"),
    )


def _odd_seconds(rng: random.Random) -> float:
    return rng.choice([0.0, 30.0, 29.997, 1e-300, rng.random() * 600])


def _odd_counts(rng: random.Random, names: Sequence[str]) -> dict[str, int]:
    return {name: rng.choice(ODD_NUMBERS) for name in _some(rng, names)} if rng.random() < 0.3 else {}  # noqa: PLR2004


def _some(rng: random.Random, values: Sequence[Value]) -> frozenset[Value]:
    return frozenset(rng.sample(values, rng.randrange(6)))


def _maybe(rng: random.Random, value: Value) -> Value | None:
    return value if rng.choice([True, False]) else None
