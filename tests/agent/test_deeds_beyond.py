"""What processes do beyond the ten aspects is seen: whom they talk to, what they are allowed, where they came from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from deeds import does
from ground import Ground, Seen

from demo.containers import Containers
from kinwatch.aspects import Aspect
from kinwatch.snapshot import Origin

pytestmark = pytest.mark.kernel


# --- Endpoints ------------------------------------------------------------------------------------------------------


@does(
    """
server = socket.create_server(("127.0.0.1", 18080))
client = socket.create_connection(("127.0.0.1", 18080))
accepted, _ = server.accept()
client.sendall(b"x")
accepted.recv(1)
"""
)
def test_tcp_is_seen_from_the_side_that_connects_and_from_the_one_that_listens(seen: Seen) -> None:
    """The accepted connection is no feature: who asks is the client's doing."""
    assert seen[Aspect.ENDPOINTS] == {"listen tcp 18080", "connect tcp 18080 loopback"}


@does(
    """
server = socket.create_server(("127.0.0.1", 18070))
client = socket.create_connection(("127.0.0.1", 18070))
accepted, _ = server.accept()
client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
client.close()
try:
    accepted.recv(1)
except ConnectionResetError:
    pass
accepted.close()
"""
)
def test_connection_that_is_over_is_not_taken_for_one_that_was_made(seen: Seen) -> None:
    """Its socket no longer knows the port at which it came in, but still whom it was with."""
    assert seen[Aspect.ENDPOINTS] == {"listen tcp 18070", "connect tcp 18070 loopback"}


@does(
    """
server = socket.socket(socket.AF_INET6)
server.bind(("::1", 18081))
server.listen()
socket.create_connection(("::1", 18081)).close()
mapped = socket.socket(socket.AF_INET6)
mapped.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
try:
    mapped.connect(("::ffff:127.0.0.1", 18082))
except ConnectionRefusedError:
    pass
mapped.close()
"""
)
def test_ipv6_and_ipv4_mapped_into_it(seen: Seen) -> None:
    """A connection that was refused was tried all the same."""
    assert seen[Aspect.ENDPOINTS] == {
        "listen tcp 18081",
        "connect tcp 18081 loopback",
        "connect tcp 18082 loopback",
    }


@does(
    """
with socket.socket(type=socket.SOCK_DGRAM) as server, socket.socket(type=socket.SOCK_DGRAM) as client:
    server.bind(("127.0.0.1", 18053))
    server.getsockname()
    client.sendto(b"x", ("127.0.0.1", 18053))
    client.sendmsg([b"x"], [], 0, ("127.0.0.1", 18054))
with socket.socket(type=socket.SOCK_DGRAM) as connected:
    connected.connect(("127.0.0.1", 18055))
    connected.send(b"x")
with socket.socket(socket.AF_INET6, type=socket.SOCK_DGRAM) as client:
    client.sendto(b"x", ("::1", 18056))
"""
)
def test_datagrams_are_seen_whether_or_not_their_socket_is_connected(seen: Seen) -> None:
    """The port that the kernel gave the client is no feature."""
    assert seen[Aspect.ENDPOINTS] == {
        "listen udp 18053",
        *(f"connect udp {port} loopback" for port in (18053, 18054, 18055, 18056)),
    }


@does(
    """
server = socket.socket(socket.AF_UNIX)
server.bind(folder + "/door")
server.listen()
client = socket.socket(socket.AF_UNIX)
client.connect(folder + "/door")
accepted, _ = server.accept()
client.send(b"x")
accepted.recv(1)
abstract = socket.socket(socket.AF_UNIX)
abstract.bind(b"\\0behind the curtain")
abstract.listen()
left, right = socket.socketpair()
left.send(b"x")
right.recv(1)
"""
)
def test_unix_sockets_are_known_by_their_names(seen: Seen, folder: str) -> None:
    """An abstract one with an @; a pair has none."""
    assert seen[Aspect.ENDPOINTS] == {
        f"listen unix {folder}/door",
        f"connect unix {folder}/door",
        "listen unix @behind the curtain",
    }


@does(
    """
with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
    raw.getsockname()
"""
)
def test_raw_socket_is_seen_by_its_protocol(seen: Seen) -> None:
    """Its port is none: the kernel keeps the protocol there."""
    assert seen[Aspect.ENDPOINTS] == {"raw icmp"}


@does(
    """
for port in range(19001, 19054):
    try:
        socket.create_connection(("127.0.0.1", port))
    except ConnectionRefusedError:
        pass
"""
)
def test_each_port_of_a_scan_is_seen_though_all_are_closed(seen: Seen) -> None:
    """A refused connection leaves nothing behind in its socket."""
    assert seen[Aspect.ENDPOINTS] == {f"connect tcp {port} loopback" for port in range(19001, 19054)}


@does("sockets = [socket.create_server(('127.0.0.1', 20000 + i)) for i in range(101)]")
def test_101_ports_are_101_endpoints(seen: Seen) -> None:
    """A prime number of them, exactly."""
    assert seen[Aspect.ENDPOINTS] == {f"listen tcp {20000 + i}" for i in range(101)}


def test_sockets_from_before_the_agent_are_seen_when_they_are_used(ground: Ground) -> None:
    """The listener, and the connection that was made."""
    cgroup = ground.cgroup("early")
    work = cgroup.start(
        """
server = socket.create_server(("127.0.0.1", 18090))
client = socket.create_connection(("127.0.0.1", 18090))
accepted, _ = server.accept()
os.write(1, b"open\\n")
os.read(0, 1)
server.getsockname()
client.send(b"x")
accepted.recv(1)
"""
    )
    assert work.line() == "open\n"
    with ground.watch() as agent:
        work.tell()
        work.done()
    cgroup.remove()
    assert agent.seen("early")[Aspect.ENDPOINTS] == {"listen tcp 18090", "connect tcp 18090 loopback"}


# --- Privileges -----------------------------------------------------------------------------------------------------


def calls(seen: Seen) -> set[str]:
    """Privileges without the credentials."""
    return {feature for feature in seen[Aspect.PRIVILEGES] if not feature.startswith(("as ", "capabilities "))}


@does(
    """
os.setresgid(33, 33, 33)
os.setresuid(33, 33, 33)
os.getppid()
"""
)
def test_new_ids_stand_beside_the_old(seen: Seen) -> None:
    """And the capabilities that went with them."""
    assert {"as 0:0", "as 0:33", "as 33:33", "capabilities none"} <= seen[Aspect.PRIVILEGES]


@does(
    """
os.setresuid(0, 33, 0)
os.getppid()
"""
)
def test_effective_ids_are_told_where_they_differ(seen: Seen) -> None:
    """As of a set-uid program."""
    assert "as 0:0 effectively 33:0" in seen[Aspect.PRIVILEGES]


@does(
    """
libc = ctypes.CDLL(None)
libc.unshare(0x04000000 | 0x00020000)
libc.setns(os.open("/proc/self/ns/uts", os.O_RDONLY), 0x04000000)
libc.mount(b"none", b"/nowhere", b"tmpfs", 4096 | 16384, 0)
libc.umount2(b"/nowhere", 0)
pid = os.fork()
if pid == 0:
    libc.ptrace(0, 0, 0, 0)
    os._exit(0)
os.waitpid(pid, 0)
"""
)
def test_calls_that_change_what_a_process_may_do(seen: Seen) -> None:
    """With the flags that matter, in words, whether or not they were allowed."""
    assert calls(seen) == {
        "unshare newns newuts",
        "setns newuts",
        "mount bind rec",
        "umount2",
        "ptrace traceme",
    }


@does(
    """
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
room = libc.mmap(None, 4096, 3, 0x22, -1, 0)
libc.mprotect(room, 4096, 1)
libc.mprotect(room, 4096, 5)
libc.mmap(None, 4096, 7, 0x22, -1, 0)
libc.mmap(None, 4096, 5, 0x22, -1, 0)
"""
)
def test_memory_that_becomes_executable(seen: Seen) -> None:
    """Not memory that is only written to, only read, or mapped executable and never writable."""
    assert calls(seen) == {"mprotect exec", "mmap write exec"}


@does(
    """
import shutil
shutil.copy("/bin/true", folder + "/here-and-gone")
copy = os.open(folder + "/here-and-gone", os.O_RDONLY)
os.unlink(folder + "/here-and-gone")
subprocess.run(["deleted"], executable=f"/proc/self/fd/{copy}", pass_fds=[copy])
memfd = os.memfd_create("nowhere")
os.write(memfd, open("/bin/true", "rb").read())
subprocess.run(["in-memory"], executable=f"/proc/self/fd/{memfd}", pass_fds=[memfd])
"""
)
def test_program_without_a_path_is_told(seen: Seen) -> None:
    """A memfd, and a file that was deleted before it was executed."""
    assert {"execute memfd", "execute deleted"} <= seen[Aspect.PRIVILEGES]
    assert {"deleted", "in-memory"} <= seen[Aspect.EXECUTABLES]


# --- Secrets --------------------------------------------------------------------------------------------------------


@does(
    """
for argv in (["/bin/true", "--password=correct-horse"], ["/bin/true", "--password=correct-horse", "again"]):
    subprocess.run(argv, executable="/bin/true")
os.close(os.open("/proc/self/comm", os.O_RDONLY))
"""
)
def test_secret_leaves_the_agent_as_a_mark_equal_for_equal_secrets(seen: Seen) -> None:
    """In commands, in arguments, and where the process came from."""
    (mark,) = [
        argument for argument in seen[Aspect.ARGUMENTS] if argument.startswith("--password=") and " " not in argument
    ]
    assert re.fullmatch(r"--password=.password:[0-9a-f]{8}.", mark)
    assert {mark, f"{mark} again"} <= seen[Aspect.ARGUMENTS]
    assert {f"true {mark}", f"true {mark} again"} <= seen[Aspect.COMMANDS]
    assert "correct-horse" not in repr([(snapshot.aspects, snapshot.origins) for snapshot in seen.snapshots])


# --- io_uring -------------------------------------------------------------------------------------------------------

URING = """
libc = ctypes.CDLL(None, use_errno=True)
parameters = (ctypes.c_uint32 * 30)()
ring = libc.syscall(425, 8, parameters)
assert ring >= 0, ctypes.get_errno()
sq_entries, cq_entries = parameters[0], parameters[1]
sq_off, cq_off = parameters[10:20], parameters[20:30]
queue = mmap.mmap(ring, sq_off[6] + sq_entries * 4, offset=0)
entries = mmap.mmap(ring, sq_entries * 64, offset=0x10000000)
def submit(index, opcode, descriptor, address=0, length=0):
    entry = struct.pack("<BBHiQQIIQ24x", opcode, 0, 0, descriptor, 0, address, length, 0, 0)
    entries[index * 64 : index * 64 + 64] = entry
    queue[sq_off[6] + index * 4 : sq_off[6] + index * 4 + 4] = struct.pack("<I", index)
    queue[sq_off[1] : sq_off[1] + 4] = struct.pack("<I", index + 1)
    assert libc.syscall(426, ring, 1, 1, 1, 0, 0) == 1, ctypes.get_errno()
"""


@pytest.mark.skipif(
    Path("/proc/sys/kernel/io_uring_disabled").exists()
    and Path("/proc/sys/kernel/io_uring_disabled").read_text().strip() != "0",
    reason="this kernel has io_uring switched off",
)
@does(
    URING
    + """
secret = os.open(folder + "/by-ring", os.O_CREAT | os.O_RDWR)
room = ctypes.create_string_buffer(16)
submit(0, 0, -1)
submit(1, 22, secret, ctypes.addressof(room), 16)
libc.syscall(39)
"""
)
def test_io_uring_operations_and_their_files_are_seen(seen: Seen) -> None:
    """Though no system call names them: only io_uring_enter was made."""
    assert seen[Aspect.URING_OPERATIONS] == {"nop", "read"}
    assert {"io_uring_setup", "io_uring_enter"} <= seen[Aspect.SYSCALLS]
    assert not {"read", "pread64"} & seen[Aspect.SYSCALLS]
    assert "by-ring" in seen[Aspect.FILENAMES]
    assert "io_uring" in seen[Aspect.FILE_OPERATIONS]


# --- Origins --------------------------------------------------------------------------------------------------------


def test_processes_that_came_from_outside_the_container_are_marked(ground: Ground) -> None:
    """The runtime started its first one, an exec the visitor; what its shell ran came from within."""
    with Containers(prefix=f"{ground.prefix}-runc") as node:
        container = node.start("visited", ["/bin/sh", "-c", "while :; do /bin/date -u >/dev/null; sleep 0.1; done"])
        with ground.watch("--cgroup", f"{node.prefix}/*") as agent:
            assert container.exec(["/bin/uname", "-a"]).returncode == 0
            assert container.exec(["/bin/sleep", "1"]).returncode == 0  # for the shell to get round to its own
        seen = agent.seen(f"{node.prefix}/visited")
    origins = {origin for snapshot in seen.snapshots for origin in snapshot.origins}
    assert Origin(command="date -u", parent="sh", outside=False) in origins
    (visit,) = [origin for origin in origins if origin.command == "uname -a"]
    assert visit.outside
