"""
Make features comparable: take out of each value what says nothing about behaviour.

Flow: aggregator cohort -> **normalise** -> score. Two named profiles, on the raw values that the agent or a chisel
capture gives, so that a profile can be changed and history judged again.

`replicawatcher` is the published cleaning (El Khairi et al., NDSS 2024), exactly, except that it does not crash on a
cwd whose every component is hexadecimal. `kinwatch` puts a placeholder where healthy replicas differ from each other
and drops nothing: a value never disappears, so a name that an attacker chooses is still compared.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from functools import lru_cache, partial
from posixpath import splitext

from kinwatch.aspects import Aspect
from kinwatch.snapshot import Features, Replica


class Profile(StrEnum):
    """A named way to clean values and to judge a cohort."""

    REPLICAWATCHER = "replicawatcher"
    KINWATCH = "kinwatch"


def normalise(profile: Profile, aspect: Aspect, values: Iterable[str], replica: Replica) -> Features:
    """The features of one aspect under a profile; values that became equal are one."""
    if profile is Profile.REPLICAWATCHER:
        return _published(aspect, values)
    return _kin(aspect, values, replica)


# --- replicawatcher -------------------------------------------------------------------------------------------------

DIGITLESS = frozenset(
    {
        Aspect.DIRECTORIES,
        Aspect.FILENAMES,
        Aspect.PROCESSES,
        Aspect.COMMANDS,
        Aspect.ARGUMENTS,
        Aspect.EXECUTABLES,
    }
)
"""The aspects that the published method strips of digits."""

DIRECTORY_PARTS = 4
"""Parts of a directory that are kept; the empty one before the leading slash counts."""

NOISY_EXTENSIONS = ("random", "cache")
NOISY_PREFIXES = ("php", "java", "app", "tmp", "wgunicorn")
HEXADECIMAL = re.compile(r"[0-9A-Fa-f]+")


def _published(aspect: Aspect, values: Iterable[str]) -> Features:
    cleaned = map(without_digits, values) if aspect in DIGITLESS else values
    match aspect:
        case Aspect.DIRECTORIES:
            return frozenset(map(first_components, cleaned))
        case Aspect.FILENAMES:
            return frozenset(filter(is_stable_filename, cleaned))
        case Aspect.CWDS:
            return frozenset(without_hexadecimal(cwd) for cwd in cleaned if cwd)
        case _:
            return frozenset(cleaned)


def without_digits(value: str) -> str:
    """The value without the characters for which `str.isdigit()` holds."""
    return "".join(character for character in value if not character.isdigit())


def first_components(directory: str) -> str:
    """A directory cut to its first parts: `/usr/lib/x/y` → `/usr/lib/x`."""
    return "/".join(directory.split("/")[:DIRECTORY_PARTS])


def is_stable_filename(name: str) -> bool:
    """The published file-name filter: whether a name, its digits already gone, is kept."""
    extension = extension_of(name)
    if any(noise in extension for noise in NOISY_EXTENSIONS):
        return False
    return bool(extension) or not (name.startswith(NOISY_PREFIXES) or _is_mixed_case(name))


def extension_of(name: str) -> str:
    """What `os.path.splitext` calls the extension; dots in front of a name begin none. pathlib differs on `a.`."""
    return splitext(name)[1]


def _is_mixed_case(name: str) -> bool:
    return any(map(str.isupper, name)) and any(map(str.islower, name))


def without_hexadecimal(cwd: str) -> str:
    """A working directory without its all-hexadecimal components; `/` and `/cafe` both give the empty string."""
    return "/".join(part for part in cwd.strip("/").split("/") if not HEXADECIMAL.fullmatch(part))


# --- kinwatch -------------------------------------------------------------------------------------------------------

Rewrite = Callable[[str], str]

NAMES_ONLY = frozenset(
    {Aspect.SYSCALLS, Aspect.SYSCALL_CATEGORIES, Aspect.FILE_OPERATIONS, Aspect.URING_OPERATIONS, Aspect.PRIVILEGES}
)
"""Aspects whose values are names from a fixed list: nothing in them varies between healthy replicas."""

PROGRAMS = frozenset({Aspect.PROCESSES, Aspect.EXECUTABLES})
"""Aspects that name programs. Healthy replicas don't run programs with random names, so those names stay."""

OWN_ID_LENGTH = 12
"""Characters of a container id that tools show, and the shortest bare name that is taken for a replica's own."""

EPHEMERAL_PORTS = range(32768, 61000)
"""net.ipv4.ip_local_port_range as Linux sets it."""

SITE_LOCAL = tuple(
    map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"))
)
"""Where pods and services live. 169.254.169.254, which thieves of cloud credentials ask, is not among them."""

_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\.?\w)")
_IPV6 = re.compile(r"(?<![\w:])[fF][cdCD][0-9A-Fa-f]{2}:[0-9A-Fa-f:]{2,35}(?![\w:])")
_PORT = re.compile(r"(?<=[\w\]>])(:)(\d{5})(?!\d)")
_ENDPOINT_PORT = re.compile(r"^((?:connect|listen) \w{1,20} )(\d{5})(?!\d)")

# Containers choose these values: every repetition in these patterns has a bound, or a start that it can't share, so
# that no value takes more than linear time.
_PATHS_OF_THE_RUNTIME: tuple[tuple[re.Pattern[str], str], ...] = (
    # containerd, Docker and CRI-O lay a container's files out below a directory that is the replica's own.
    (
        re.compile(r"/\S{0,99}?/io\.containerd\.snapshotter\.v1\.[\w-]{1,40}/snapshots/\d+/(?:fs|work)(?![\w-])"),
        "<rootfs>",
    ),
    (re.compile(r"/\S{0,99}?/overlay(?:2)?/[0-9A-Za-z]{24,64}/(?:diff|merged|work)(?![\w-])"), "<rootfs>"),
    (
        re.compile(r"/\S{0,99}?/io\.containerd\.runtime\.v\d\.[\w-]{1,40}/[\w.-]{1,99}/[\w.-]{1,99}/rootfs(?![\w-])"),
        "<rootfs>",
    ),
    # The kubelet's atomic writer names each version of a projected volume by the moment it was written.
    (re.compile(r"\.\.\d{4}(?:_\d{2}){5}\.\d+"), "..<written>"),
)

_NUMBERS_OF_PROCESSES: tuple[tuple[re.Pattern[str], str], ...] = (
    # Process 1 is the container's own in every replica; a look at it is behaviour, so it stays.
    (re.compile(r"/proc/(?!1(?:/|\b))\d+"), "/proc/<pid>"),
    (re.compile(r"(/proc/[^/\s]{1,20})/task/\d+"), r"\1/task/<tid>"),
    (re.compile(r"(/proc/[^/\s]{1,20}(?:/task/[^/\s]{1,20})?)/(fd|fdinfo)/\d{2,}"), r"\1/\2/<fd>"),
    (re.compile(r"(hsperfdata_[^/\s]{1,64})/\d+"), r"\1/<pid>"),
    # Workers of io_uring, which the kernel names by the thread that they work for.
    (re.compile(r"\b(iou-(?:wrk|sqp)-)\d+"), r"\1<tid>"),
)

_IDENTIFIERS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{8}(?:[-_][0-9A-Fa-f]{4}){3}[-_][0-9A-Fa-f]{12}(?![0-9A-Za-z])"),
        "<uuid>",
    ),
    (re.compile(r"(?<![0-9A-Za-z])(?=[0-9a-f]*\d)[0-9a-f]{32,128}(?![0-9A-Za-z])"), "<hex>"),
)

_TEMPORARY: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?<![0-9A-Za-z])sess_[0-9A-Za-z,-]{22,256}"), "sess_<random>"),
    # tempfile of Python (8 of a-z0-9_), mktemp (tmp.XXXXXXXXXX), PHP's uploads (phpXXXXXX).
    (re.compile(r"(?<![0-9A-Za-z])tmp[0-9a-z_]{8}(?![0-9A-Za-z_])"), "tmp<random>"),
    (re.compile(r"(?<![0-9A-Za-z])tmp\.[0-9A-Za-z]{6,10}(?![0-9A-Za-z])"), "tmp.<random>"),
    (re.compile(r"(?<![0-9A-Za-z])php(?=[0-9A-Za-z]*[0-9A-Z])[0-9A-Za-z]{6}(?![0-9A-Za-z])"), "php<random>"),
    # mkstemp's XXXXXX behind a dot, when it looks random: an upper-case, a lower-case letter and a digit.
    (
        re.compile(r"\.(?=[0-9A-Za-z]*[A-Z])(?=[0-9A-Za-z]*[a-z])(?=[0-9A-Za-z]*\d)[0-9A-Za-z]{6,10}(?![0-9A-Za-z])"),
        ".<random>",
    ),
    # Moments, counters and pids: long runs of digits, and shorter ones that end a file's name or its stem.
    (re.compile(r"\d{6,}"), "<n>"),
)

_NUMBERED_NAME = re.compile(r"([._-])\d{3,5}(?=$|\.)")


REMEMBERED = 16_384
"""Values whose clean form is kept: kin share most of theirs, and most of a replica's return in the next window."""


def _kin(aspect: Aspect, values: Iterable[str], replica: Replica) -> Features:
    if aspect in NAMES_ONLY:
        return frozenset(values)
    without_own_names = _own_names(replica)
    return frozenset(_placeheld(aspect, without_own_names(value)) for value in values)


@lru_cache(maxsize=REMEMBERED)
def _placeheld(aspect: Aspect, value: str) -> str:
    for rewrite in _rewrites_of(aspect):
        value = rewrite(value)
    return value


def _rewrites_of(aspect: Aspect) -> Iterator[Rewrite]:
    """The rewrites of an aspect, in their order: an address is told from a number before numbers are replaced."""
    yield partial(_replace_each, _PATHS_OF_THE_RUNTIME)
    yield partial(_replace_each, _NUMBERS_OF_PROCESSES)
    yield partial(_replace_each, _IDENTIFIERS)
    yield _without_site_addresses
    yield partial((_ENDPOINT_PORT if aspect is Aspect.ENDPOINTS else _PORT).sub, _ephemeral_port)
    if aspect not in PROGRAMS:
        yield partial(_replace_each, _TEMPORARY)
    if aspect is Aspect.FILENAMES:
        yield partial(_NUMBERED_NAME.sub, r"\1<n>")
    if aspect in {Aspect.DIRECTORIES, Aspect.CWDS}:
        yield _without_trailing_slash


def _replace_each(rules: tuple[tuple[re.Pattern[str], str], ...], value: str) -> str:
    for pattern, placeholder in rules:
        value = pattern.sub(placeholder, value)
    return value


def _own_names(replica: Replica) -> Rewrite:
    """The rewrite for the names by which this very replica is known: its pod, pod uid and container id."""
    names = {name: placeholder for name, placeholder in _names_of(replica) if name and _is_telling(name)}
    if not names:
        return str
    longest_first = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    pattern = re.compile(rf"(?<![0-9A-Za-z])(?:{longest_first})(?![0-9A-Za-z])")
    return partial(pattern.sub, lambda match: names[match.group()])


def _names_of(replica: Replica) -> Iterator[tuple[str | None, str]]:
    yield (replica.cgroup or "").rpartition("/")[2], "<pod>"
    yield replica.pod, "<pod>"
    yield replica.pod_uid, "<pod-uid>"
    yield (replica.pod_uid or "").replace("-", "_"), "<pod-uid>"
    yield replica.container_id, "<container-id>"
    yield (replica.container_id or "")[:OWN_ID_LENGTH], "<container-id>"


def _is_telling(name: str) -> bool:
    """Whether a name is a replica's alone: controllers put a hyphen in; a pod called `db` must not rewrite /var/db."""
    return "-" in name or len(name) >= OWN_ID_LENGTH


def _without_site_addresses(value: str) -> str:
    return _IPV6.sub(_site_address, _IPV4.sub(_site_address, value))


def _site_address(match: re.Match[str]) -> str:
    try:
        address = ipaddress.ip_address(match.group())
    except ValueError:
        return match.group()
    return "<private-ip>" if any(address in network for network in SITE_LOCAL) else match.group()


def _ephemeral_port(match: re.Match[str]) -> str:
    return f"{match.group(1)}<port>" if int(match.group(2)) in EPHEMERAL_PORTS else match.group()


def _without_trailing_slash(path: str) -> str:
    return path.rstrip("/") or path[:1]
