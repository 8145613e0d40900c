"""The two ends of a socket are told by direction, transport, port and kind of network, never by address."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from agent.endpoints import Surroundings, endpoints
from agent.networks import Networks, named_network
from agent.records import Endpoint, Flag, Kind, Record, UnixEndpoint
from kinwatch.errors import InputError

TCP, UDP, ICMP = 6, 17, 1
STREAM, DATAGRAM, RAW = 1, 2, 3
ESTABLISHED, CLOSE, LISTEN = 1, 7, 10
UNIX, IPV4, IPV6 = 1, 2, 10


def record(family: int, payload: Any) -> Record:
    plain = dict.fromkeys(
        ("slot", "window", "ktime_ns", "cgroup_id", "fs_magic", "mode", "tgid", "tid", "parent_tgid"), 0
    )
    return Record(**plain, kind=Kind.ENDPOINT, flags=Flag(0), family=family, comm=b"", payload=bytes(payload))


def told(*networks: str, remote: str = "", **ends: int) -> set[str]:
    """The features of an internet socket with these ends."""
    address = ipaddress.ip_address(remote) if remote else None
    raw = (address.packed if address else b"").ljust(16, b"\0")
    family = IPV6 if address and address.version == 6 else IPV4
    payload = Endpoint(remote=tuple(raw), **ends)
    around = Surroundings(networks=Networks(map(named_network, networks)))
    return set(endpoints(record(family, payload), around))


def test_connection_is_told_by_port_and_kind_of_network() -> None:
    assert told(
        remote="10.1.2.3", remote_port=5432, local_port=40000, protocol=TCP, state=ESTABLISHED, type=STREAM
    ) == {"connect tcp 5432 private"}


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.53", "loopback"),
        ("0.0.0.0", "loopback"),  # noqa: S104 - where connecting leads to oneself
        ("::1", "loopback"),
        ("192.168.7.7", "private"),
        ("fd00::7", "private"),
        ("169.254.169.254", "private"),
        ("8.8.8.8", "public"),
        ("2606:4700::1111", "public"),
        ("::ffff:8.8.8.8", "public"),
        ("::ffff:127.0.0.1", "loopback"),
        ("224.0.0.251", "multicast"),
    ],
)
def test_kind_of_network(address: str, kind: str) -> None:
    """One mapped into IPv6 is what it is in IPv4."""
    assert told(remote=address, remote_port=53, protocol=UDP, state=ESTABLISHED, type=DATAGRAM) == {
        f"connect udp 53 {kind}"
    }


def test_smallest_named_network_names_an_address() -> None:
    ends = {"remote_port": 53, "protocol": UDP, "state": ESTABLISHED, "type": DATAGRAM}
    networks = ("service=10.43.0.0/16", "dns=10.43.0.10/32", "pod=10.42.0.0/15")
    assert told(*networks, remote="10.43.0.10", **ends) == {"connect udp 53 dns"}
    assert told(*networks, remote="10.43.0.11", **ends) == {"connect udp 53 service"}
    assert told(*networks, remote="10.42.9.9", **ends) == {"connect udp 53 pod"}


def test_listener_is_told_by_its_port() -> None:
    assert told(local_port=8080, protocol=TCP, state=LISTEN, type=STREAM) == {"listen tcp 8080"}
    assert told(local_port=53, protocol=UDP, state=CLOSE, type=DATAGRAM) == {"listen udp 53"}


def test_port_that_the_kernel_chose_is_nobodys_listener() -> None:
    assert told(local_port=40000, protocol=UDP, state=CLOSE, type=DATAGRAM) == set()


def test_bound_tcp_socket_that_does_not_listen_is_nothing_yet() -> None:
    assert told(local_port=8080, protocol=TCP, state=CLOSE, type=STREAM) == set()


def test_connection_from_an_ephemeral_port_to_a_low_one_came_in() -> None:
    """Where its listener was never seen."""
    assert told(remote="10.0.0.9", remote_port=50000, local_port=80, protocol=TCP, state=1, type=STREAM) == set()


def test_raw_socket_is_told_by_its_protocol() -> None:
    """The kernel keeps the protocol where others have their port."""
    assert told(local_port=ICMP, protocol=ICMP, state=CLOSE, type=RAW) == {"raw icmp"}
    assert told(local_port=99, protocol=99, state=CLOSE, type=RAW) == {"raw protocol_99"}


def unix(own: bytes = b"", peer: bytes = b"") -> set[str]:
    ends = UnixEndpoint(own_bytes=len(own), peer_bytes=len(peer))
    ends.own[: len(own)] = list(own)
    ends.peer[: len(peer)] = list(peer)
    return set(endpoints(record(UNIX, ends), Surroundings(networks=Networks())))


def test_unix_socket_is_told_by_its_names() -> None:
    """A path ends at its zero; an abstract name begins with one and may hold more."""
    assert unix(own=b"/run/a.sock\0") == {"listen unix /run/a.sock"}
    assert unix(peer=b"/run/docker.sock\0") == {"connect unix /run/docker.sock"}
    assert unix(peer=b"\0x\0y") == {"connect unix @x\0y"}
    assert unix(own=b"/" + b"n" * 107) == {"listen unix /" + "n" * 107}
    assert unix(peer=b"/\xff\0") == {"connect unix /\\xff"}


def test_name_that_the_kernel_chose_is_none() -> None:
    assert unix(own=b"\0" + b"0002f") == set()


@pytest.mark.parametrize("text", ["10.0.0.0/8", "pod=", "=10.0.0.0/8", "pod=10.0.0.1/8", "a b=10.0.0.0/8", "pod=all"])
def test_network_without_name_or_cidr_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputError, match=r"is no NAME=CIDR .*pod=10\.42\.0\.0/16"):
        named_network(text)
