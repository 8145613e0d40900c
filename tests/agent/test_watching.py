"""What is watched, from when to when: cgroups and processes that come, go and move, windows that open and close."""

from __future__ import annotations

import mmap
import platform
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ground import NEVER_S, PATIENCE_S, Cgroup, Ground, outside

from agent import fitting
from agent.btf import Btf
from agent.capture import Capture
from agent.drain import Reading
from agent.identity import Given
from agent.naming import Naming
from agent.probe import Probe
from agent.program import Build
from agent.roster import Roster
from agent.settings import Settings
from agent.syscalls import SyscallTable
from demo.containers import Containers
from kinwatch.aspects import Aspect
from kinwatch.snapshot import Snapshot, Window

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.filterwarnings("ignore:not a bytes object:DeprecationWarning"),  # BCC's own, from within
]

TOUCH = """
def touch(name):
    os.close(os.open(f"{folder}/{name}", os.O_CREAT | os.O_RDWR))
def await_word():
    os.write(1, b"waiting\\n")
    os.read(0, 1)
"""


# --- Windows --------------------------------------------------------------------------------------------------------


@pytest.fixture(name="by_the_second", scope="module")
def _by_the_second(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Snapshot]]:
    """Two programs under an agent whose windows last a second: one repeats itself, one does something new each time."""
    folder = str(tmp_path_factory.mktemp("seconds"))
    with ground.watch(window_s=1) as agent:
        work = [
            ground.cgroup("repeating").start(
                TOUCH + "for _ in range(80):\n for i in range(53): touch(f'r{i}')\n time.sleep(0.04)", folder=folder
            ),
            ground.cgroup("spreading").start(
                TOUCH + "for i in range(211):\n touch(f's{i}')\n time.sleep(0.015)", folder=folder
            ),
            ground.cgroup("brief").start(TOUCH + "touch('once')", folder=folder),
        ]
        work[2].done()
        (ground.cgroup("gone")).remove()
        for one in work[:2]:
            one.done()
    return {name: agent.of(name) for name in ("repeating", "spreading", "brief", "gone")}


def test_each_window_has_the_whole_of_what_is_repeated(by_the_second: dict[str, list[Snapshot]]) -> None:
    """What was seen in one window is seen anew in the next."""
    whole = by_the_second["repeating"][1:-1]
    assert len(whole) >= 2
    for snapshot in whole:
        assert snapshot.features(Aspect.FILENAMES) == {f"r{i}" for i in range(53)}
        assert len(snapshot.features(Aspect.COMMANDS)) == 1
        assert snapshot.features(Aspect.CWDS) == {"/"}
        assert {"openat", "close", "clock_nanosleep"} <= snapshot.features(Aspect.SYSCALLS)
        assert snapshot.coverage.observed_s == pytest.approx(1, abs=0.5)


def test_what_is_spread_over_windows_is_in_one_each_and_none_is_missing(
    by_the_second: dict[str, list[Snapshot]],
) -> None:
    sets = [snapshot.features(Aspect.FILENAMES) for snapshot in by_the_second["spreading"]]
    assert len(sets) >= 3
    assert set().union(*sets) == {f"s{i}" for i in range(211)}
    assert sum(map(len, sets)) <= 211 + len(sets)  # a file is opened in one window, and may be closed in the next


def test_windows_follow_each_other_without_gap(by_the_second: dict[str, list[Snapshot]]) -> None:
    starts = [snapshot.window.start.timestamp() for snapshot in by_the_second["repeating"]]
    assert starts == [starts[0] + i for i in range(len(starts))]
    assert all(start == int(start) for start in starts)


def test_replica_that_did_nothing_more_is_shown_empty(by_the_second: dict[str, list[Snapshot]]) -> None:
    """Its cgroup is there, and so is the replica."""
    *earlier, last = by_the_second["brief"]
    assert set().union(*(snapshot.features(Aspect.FILENAMES) for snapshot in earlier)) == {"once"}
    assert last.coverage.events == 0
    assert not any(last.aspects.values())


def test_replica_that_went_is_shown_one_last_time(by_the_second: dict[str, list[Snapshot]]) -> None:
    (last,) = by_the_second["gone"]
    assert last.coverage.observed_s < 1


# --- Processes and cgroups that are there before, come, go, and move ------------------------------------------------


def test_what_was_open_before_the_agent_is_seen_at_its_next_use(ground: Ground, tmp_path: Path) -> None:
    old = ground.cgroup("old").start(
        TOUCH + "d = os.open(f'{folder}/before', os.O_CREAT | os.O_RDWR)\nawait_word()\nos.write(d, b'x')",
        folder=str(tmp_path),
    )
    assert old.line() == "waiting\n"
    with ground.watch() as agent:
        old.tell()
        old.done()
    assert agent.seen("old")[Aspect.FILENAMES] == {"before"}
    assert len(agent.seen("old")[Aspect.COMMANDS]) == 1


def test_cgroups_below_a_match_belong_to_it(ground: Ground, tmp_path: Path) -> None:
    """Those that were there, those that are made, and what is made below these."""
    ground.cgroup("parent")
    ground.cgroup("parent/there").start(TOUCH, folder="").done()
    with ground.watch() as agent:
        folder = str(tmp_path)
        there = ground.cgroup("parent/there-2")
        there.run(TOUCH + "touch('made')", folder=folder)
        there.remove()
        ground.cgroup("parent/there-2").run(TOUCH + "touch('made again')", folder=folder)
        ground.cgroup("parent/there-2/deep").run(TOUCH + "touch('deep')", folder=folder)
        ground.cgroup("new").run(TOUCH, folder="")
        ground.cgroup("new/below").run(TOUCH + "touch('below')", folder=folder)
    assert agent.seen("parent")[Aspect.FILENAMES] == {"made", "made again", "deep"}
    assert agent.seen("new")[Aspect.FILENAMES] == {"below"}
    watched = {snapshot.replica.cgroup for snapshot in agent.snapshots}
    assert not any(path.count("/") > 2 for path in watched if path)


MOVING = """
def in_thread():
    for where in WHERE:
        begin[where].wait()
        touch("thread-" + where)
        end[where].set()
WHERE = "before", "within", "after"
begin, end = ({where: threading.Event() for where in WHERE} for _ in range(2))
threading.Thread(target=in_thread).start()
for where in WHERE:
    await_word()
    touch(where)
    begin[where].set()
    end[where].wait()
await_word()
"""


def test_process_is_watched_for_as_long_as_it_is_in_the_cgroup(ground: Ground, tmp_path: Path) -> None:
    """And so is each of its threads."""
    inside, elsewhere = ground.cgroup("inside"), ground.cgroup("elsewhere")
    with ground.watch("--cgroup", inside.path, glob="first") as agent:
        work = outside(TOUCH + MOVING, folder=str(tmp_path))
        work.tell()
        assert work.line() == "waiting\n"
        for cgroup in None, inside, elsewhere:
            if cgroup:
                cgroup.take(work.pid)
            work.tell()
            assert work.line() == "waiting\n"
        work.tell()
        work.done()
    assert agent.seen("inside")[Aspect.FILENAMES] == {"within", "thread-within"}
    assert agent.of("elsewhere") == []


def test_300_cgroups_that_come_and_go_each_have_their_own_set(ground: Ground, tmp_path: Path) -> None:
    """The slots of those that went are given to others, and nothing is counted twice or elsewhere."""
    with ground.watch(window_s=1) as agent:
        child = outside(
            TOUCH
            + "for i in range(300):\n"
            + " cgroup = f'{mount}/churn-{i}'\n os.mkdir(cgroup)\n child = os.fork()\n"
            + " if child == 0:\n  open(cgroup + '/cgroup.procs', 'w').write('0')\n  touch(f't{i}')\n  os._exit(0)\n"
            + " os.waitpid(child, 0)\n os.rmdir(cgroup)\n time.sleep(0.01)\n",
            folder=str(tmp_path),
            mount=str(ground.cgroup("mount").directory.parent),
        )
        child.tell()
        child.done()
    for i in range(300):
        assert agent.seen(f"churn-{i}")[Aspect.FILENAMES] - {"cgroup.procs"} == {f"t{i}"}
        assert agent.seen(f"churn-{i}").shortfall == {}


# --- The same system calls as strace --------------------------------------------------------------------------------

SHELL = "ls -l / | sort | head -3; cat /etc/passwd | tail -1; echo $$ > {folder}/pid; test -e /nowhere; kill -0 $$"


def test_system_calls_are_those_that_strace_lists(ground: Ground, tmp_path: Path) -> None:
    """Of a shell with pipes, files, children and signals, and of threads; to the name, in both directions."""
    trace = tmp_path / "trace"
    with ground.watch() as agent:
        work = outside(
            "subprocess.run(['/bin/sh', '-c', shell], stdout=subprocess.DEVNULL, check=False)\n"
            "threading.Thread(target=time.sleep, args=[0.01]).start()\n"
            # strace lists the call before which a thread is stopped for good by its process's end
            "while len(os.listdir('/proc/self/task')) > 1: time.sleep(0.001)",
            shell=SHELL.format(folder=tmp_path),
        )
        with subprocess.Popen(
            ["strace", "-f", "-o", trace, "-p", str(work.pid)], stderr=subprocess.PIPE, text=True
        ) as strace:
            assert strace.stderr is not None
            assert "attached" in strace.stderr.readline()
            ground.cgroup("traced").take(work.pid)
            work.tell()
            work.done()
            strace.wait(PATIENCE_S)
    listed = set(re.findall(r"^\d+ +(?:<\.\.\. )?([a-z]\w*)[( ]", trace.read_text(), flags=re.MULTILINE))
    assert len(listed) > 20
    assert agent.seen("traced")[Aspect.SYSCALLS] == listed


# --- A real container -----------------------------------------------------------------------------------------------

SCRIPT = """
exec >/dev/null 2>&1
read go
/bin/cat /etc/hosts
cd /srv
echo mark > /tmp/mark
/bin/ls /root
"""


def test_container_of_runc_is_described_in_ten_aspects(ground: Ground, tmp_path: Path) -> None:
    """BusyBox, static: nothing but what the script does."""
    fifo = tmp_path / "go"
    subprocess.run(["mkfifo", fifo], check=True)
    with Containers(prefix=f"{ground.prefix}-runc") as node, fifo.open("r+b", buffering=0) as pipe:
        container = node.start("a", ["/bin/sh", "-c", SCRIPT], stdin=pipe.fileno())
        with ground.watch("--cgroup", f"{node.prefix}/*") as agent:
            pipe.write(b"go\n")
            assert container.wait(timeout_s=10)
        seen = agent.seen(f"{node.prefix}/a")
    shell = f"sh -c {SCRIPT}"
    assert seen[Aspect.FILENAMES] == {"hosts", "mark", "null", "go"}
    assert seen[Aspect.DIRECTORIES] == {"/etc", "/tmp", "/dev", "/root", str(tmp_path)}
    assert seen[Aspect.FILE_OPERATIONS] == {"file", "directory"}
    assert seen[Aspect.CWDS] == {"/", "/srv"}
    assert seen[Aspect.PROCESSES] == {"sh", "cat", "ls"}
    assert seen[Aspect.COMMANDS] == {shell, "cat /etc/hosts", "ls /root"}
    assert seen[Aspect.ARGUMENTS] == {f"-c {SCRIPT}", "/etc/hosts", "/root"}
    assert seen[Aspect.EXECUTABLES] == {"/bin/sh", "/bin/cat", "/bin/ls"}
    assert {"read", "execve", "chdir", "wait4", "getdents64", "exit_group"} <= seen[Aspect.SYSCALLS]
    assert {"IO-read", "process", "file"} <= seen[Aspect.SYSCALL_CATEGORIES]
    assert seen.shortfall == {}


def test_container_that_starts_while_the_agent_runs_is_seen_from_its_first_call(ground: Ground) -> None:
    """Before user space can know of it: what runc does inside the cgroup, and a program of a millisecond."""
    with Containers(prefix=f"{ground.prefix}-runc") as node:
        node.start("there", ["sleep", "60"])
        with ground.watch("--cgroup", f"{node.prefix}/*") as agent:
            for name in "abc":
                container = node.start(name, ["/bin/echo", f"I am {name}"])
                container.wait(timeout_s=10)
                container.kill()
        for name in "abc":
            seen = agent.seen(f"{node.prefix}/{name}")
            assert f"echo I am {name}" in seen[Aspect.COMMANDS]
            assert any("runc" in process for process in seen[Aspect.PROCESSES])
            assert "execve" in seen[Aspect.SYSCALLS]


# --- Without the kernel's headers -----------------------------------------------------------------------------------

HIDE_HEADERS = 'for d in /lib/modules /usr/src; do [ -d "$d" ] && mount -t tmpfs none "$d"; done; exec "$@"'


def test_no_kernel_headers_are_needed(ground: Ground, tmp_path: Path) -> None:
    """/lib/modules and /usr/src are empty for the agent, and the sets are as ever."""
    wrapper = ("unshare", "--mount", "sh", "-c", HIDE_HEADERS, "sh")
    with ground.watch(wrapper=wrapper) as agent:
        ground.cgroup("headless").run(TOUCH + "touch('seen')", folder=str(tmp_path))
    assert agent.seen("headless")[Aspect.FILENAMES] == {"seen"}


# --- A ring that is too small ---------------------------------------------------------------------------------------


class Cramped:
    """The agent's steps on a probe whose ring has one page; nobody empties it but the test."""

    def __init__(self, cgroup: Cgroup, probe: Probe, capture: Capture) -> None:
        self.cgroup = cgroup
        self.probe = probe
        self.capture = capture

    def snapshot(self) -> Snapshot:
        """Close the window."""
        window = Window.containing(datetime.now(tz=UTC), seconds=NEVER_S)
        (snapshot,) = self.capture.close(window, opened_s=0, now_s=0).snapshots
        return snapshot


@pytest.fixture(name="cramped")
def _cramped(ground: Ground) -> Iterator[Cramped]:
    cgroup = ground.cgroup("cramped")
    settings = Settings(cgroups=(cgroup.path,))
    selection = fitting.given_cgroups(settings)
    assert selection
    hierarchy = fitting.hierarchy_of(settings)
    table = SyscallTable.of(platform.machine())
    build = Build.of(
        Btf.read(),
        hierarchy,
        table,
        pid_max=int(Path("/proc/sys/kernel/pid_max").read_text()),
        ring_bytes=mmap.PAGESIZE,
    )
    with Probe.load(build, table=table) as probe:
        roster = Roster(selection, probe)
        for cgroup_id, path in hierarchy.cgroups():
            roster.found(cgroup_id, path, 0)
        yield Cramped(
            cgroup,
            probe,
            Capture(
                probe,
                roster,
                Naming(Given(selection).names),
                reading=Reading(table=table, command_line=lambda _: None),
                node="test",
            ),
        )
    cgroup.remove()


def test_what_finds_no_room_is_counted(cramped: Cramped, tmp_path: Path) -> None:
    """Each of 300 files is used once: it is in the set, or among the lost."""
    cramped.cgroup.run(TOUCH + "for i in range(300): touch(i)", folder=str(tmp_path))
    snapshot = cramped.snapshot()
    assert snapshot.coverage.lost["files"] > 200
    assert len(snapshot.features(Aspect.FILENAMES)) + snapshot.coverage.lost["files"] == 300


def test_what_found_no_room_is_stored_at_its_next_use(cramped: Cramped, tmp_path: Path) -> None:
    """In the same window: none of 211 files is missing after they were used again and again."""
    work = cramped.cgroup.start(
        TOUCH + "for _ in range(40):\n for i in range(211): touch(i)\n await_word()", folder=str(tmp_path)
    )
    for _ in range(40):
        assert work.line() == "waiting\n"
        cramped.capture.take_in(cramped.probe.drain())
        work.tell()
    work.done()
    snapshot = cramped.snapshot()
    assert snapshot.coverage.lost["files"] > 0
    assert snapshot.features(Aspect.FILENAMES) == {str(i) for i in range(211)}
    assert len(snapshot.features(Aspect.COMMANDS)) == 1
