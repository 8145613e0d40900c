"""The kubelet's address is HOST or HOST:PORT, and never one to which a token would travel in the clear."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.pods.kubelet_address import Address, address_of
from kinwatch.errors import InputError


@pytest.mark.parametrize(
    ("text", "host", "port", "shown"),
    [
        ("localhost", "localhost", 10250, "localhost:10250"),
        ("localhost:1025", "localhost", 1025, "localhost:1025"),
        (" knode-1.example. ", "knode-1.example.", 10250, "knode-1.example.:10250"),
        ("192.0.2.7", "192.0.2.7", 10250, "192.0.2.7:10250"),
        ("192.0.2.7:65535", "192.0.2.7", 65535, "192.0.2.7:65535"),
        ("2001:db8::7", "2001:db8::7", 10250, "[2001:db8::7]:10250"),
        ("[2001:db8::7]", "2001:db8::7", 10250, "[2001:db8::7]:10250"),
        ("[2001:db8::7]:10260", "2001:db8::7", 10260, "[2001:db8::7]:10260"),
        ("[fe80::1%eth0]:10250", "fe80::1%eth0", 10250, "[fe80::1%eth0]:10250"),
        ("https://192.0.2.7:10250/", "192.0.2.7", 10250, "192.0.2.7:10250"),
    ],
)
def test_address(text: str, host: str, port: int, shown: str) -> None:
    """An IPv6 address needs brackets only where a port follows."""
    assert address_of(text) == Address(host=host, port=port)
    assert str(address_of(text)) == shown


@pytest.mark.parametrize(
    ("text", "problem", "remedy"),
    [
        ("http://localhost:10255", "in the clear", "speaks https, on port 10250"),
        ("HTTP://localhost", "in the clear", "leave the scheme out"),
        ("ftp://localhost", "the scheme 'ftp'", "leave the scheme out"),
        ("", "no host", "HOST or HOST:PORT"),
        (":10250", "no host", "HOST or HOST:PORT"),
        ("https://localhost:10250/pods", "port '10250/pods'", "HOST or HOST:PORT"),
        ("local host", "no host", "HOST or HOST:PORT"),
        ("user@node", "no host", "HOST or HOST:PORT"),
        ("-node", "no host", "HOST or HOST:PORT"),
        (f"{'a' * 64}.example", "no host", "HOST or HOST:PORT"),
        (f"{'a.' * 127}example", "no host", "HOST or HOST:PORT"),
        ("[localhost]:10250", "no host", "[2001:db8::7]:10250"),
        ("[192.0.2.7]", "no host", "192.0.2.7"),
        ("[2001:db8::7", "not the address", "[2001:db8::7]:10250"),
        ("2001:db8::g", "not the address", "[2001:db8::7]:10250"),
        ("node:0", "port '0'", "without a port it is 10250"),
        ("node:65536", "1 to 65535", "without a port it is 10250"),
        ("node:", "port ''", "HOST:PORT"),
        ("node:+1", "port '+1'", "HOST:PORT"),
        ("node\nX-Header: 1", "no host", "HOST:PORT"),
    ],
)
def test_no_address(text: str, problem: str, remedy: str) -> None:
    with pytest.raises(InputError) as raised:
        address_of(text)
    assert problem in raised.value.problem
    assert remedy in raised.value.remedy


@given(st.text())
def test_text_is_an_address_or_bad_input(text: str) -> None:
    """And an address, written out, is read as itself."""
    try:
        address = address_of(text)
    except InputError:
        return
    assert address_of(str(address)) == address
