"""The kernel's types, from a few hand-made records and from the running kernel."""

import struct
import time
from pathlib import Path

import pytest

from agent.btf import VMLINUX, Btf, Member
from kinwatch.errors import NodeError

INT, PTR, ARRAY, STRUCT, UNION, ENUM, TYPEDEF, CONST, DECL_TAG, ENUM64 = 1, 2, 3, 4, 5, 6, 8, 10, 17, 19
KIND_FLAG = 1 << 31


class Blob:
    """BTF in the making: each method adds one type and gives its id."""

    def __init__(self) -> None:
        self.types = b""
        self.strings = b"\0"
        self.layout = b""
        self.count = 0

    def name(self, text: str) -> int:
        """Store a name; the empty one is at 0."""
        if not text:
            return 0
        self.strings += text.encode() + b"\0"
        return len(self.strings) - len(text) - 1

    def add(self, kind: int, name: str, size: int, *rest: int, vlen: int = 0, flag: int = 0) -> int:
        """Add one record of 32-bit words."""
        words = (self.name(name), kind << 24 | vlen | flag, size, *rest)
        self.types += struct.pack(f"={len(words)}I", *words)
        self.count += 1
        return self.count

    def aggregate(self, kind: int, name: str, size: int, *members: tuple[str, int, int], flag: int = 0) -> int:
        """Add a struct or union; members are (name, type id, bits)."""
        rest = [word for member, type_id, bits in members for word in (self.name(member), type_id, bits)]
        return self.add(kind, name, size, *rest, vlen=len(members), flag=flag)

    def bytes(self, *, header_length: int = 24, magic: int = 0xEB9F) -> bytes:
        """Put header, types and strings together."""
        sizes = (0, len(self.types), len(self.types), len(self.strings))
        header = struct.pack("=HBBIIIII", magic, 1, 0, header_length, *sizes)
        header += struct.pack("=II", len(self.types) + len(self.strings), len(self.layout))
        return header[:header_length].ljust(header_length, b"\0") + self.types + self.strings + self.layout


@pytest.fixture(name="blob")
def _blob() -> Blob:
    """Struct outer { int a; union { long b; struct { int c, d; }; }; const inner_t e; int f[3]; int g : 4; }."""
    blob = Blob()
    integer = blob.add(INT, "int", 4, 32)
    long = blob.add(INT, "long", 8, 64)
    pair = blob.aggregate(STRUCT, "", 8, ("c", integer, 0), ("d", integer, 32))
    either = blob.aggregate(UNION, "", 8, ("b", long, 0), ("", pair, 0))
    pointer = blob.add(PTR, "", long)
    inner = blob.aggregate(STRUCT, "inner", 16, ("x", long, 0), ("y", pointer, 64))
    alias = blob.add(CONST, "", blob.add(TYPEDEF, "inner_t", inner))
    three = blob.add(ARRAY, "", 0, integer, integer, 3)
    blob.add(DECL_TAG, "tag", inner, 0xFFFFFFFF)
    members = (("a", integer, 0), ("", either, 64), ("e", alias, 128), ("f", three, 256), ("g", integer, 4 << 24 | 352))
    blob.aggregate(STRUCT, "outer", 48, *members, flag=KIND_FLAG)
    return blob


@pytest.mark.parametrize(
    ("path", "member"),
    [
        ("a", Member(offset=0, size=4)),
        ("b", Member(offset=8, size=8)),
        ("d", Member(offset=12, size=4)),
        ("e", Member(offset=16, size=16)),
        ("e.y", Member(offset=24, size=8)),
        ("f", Member(offset=32, size=12)),
        ("g", None),
        ("nothing", None),
        ("e.nothing", None),
        ("a.nothing", None),
    ],
)
@pytest.mark.parametrize("header_length", [24, 32, 48])
def test_members_are_found_as_in_c(blob: Blob, path: str, member: Member | None, header_length: int) -> None:
    """Through dots, aliases and anonymous unions, whatever the header's length; a bit-field has no address."""
    btf = Btf.parse(blob.bytes(header_length=header_length), origin="test")

    assert btf.member("outer", path) == member


def test_a_struct_has_a_size(blob: Blob) -> None:
    """A struct that the kernel lacks is an expected absence."""
    btf = Btf.parse(blob.bytes(), origin="test")

    assert btf.size_of("inner") == 16
    assert btf.size_of("nothing") is None
    assert btf.member("nothing", "a") is None


def test_of_two_structs_of_one_name_the_larger_counts(blob: Blob) -> None:
    """A driver's private struct does not hide the kernel's."""
    blob.aggregate(STRUCT, "inner", 4, ("z", 1, 0))

    assert Btf.parse(blob.bytes(), origin="test").size_of("inner") == 16


def test_enumerators_have_their_sign_and_width() -> None:
    """Both kinds of enum, negative where the kind flag says signed."""
    blob = Blob()
    blob.add(ENUM, "small", 4, blob.name("first"), 0, blob.name("second"), 7, vlen=2)
    blob.add(ENUM, "signed", 4, blob.name("minus"), 0xFFFFFFFF, vlen=1, flag=KIND_FLAG)
    blob.add(ENUM64, "wide", 8, blob.name("high"), 1, 1, vlen=1)
    btf = Btf.parse(blob.bytes(), origin="test")

    assert btf.enumerator("small", "second") == 7
    assert btf.enumerator("signed", "minus") == -1
    assert btf.enumerator("wide", "high") == (1 << 32) + 1
    assert btf.enumerator("small", "third") is None
    assert btf.enumerator("nothing", "first") is None


def test_a_newer_kind_is_named(blob: Blob) -> None:
    """What can't be skipped can't be read, and the message says which kind it was."""
    blob.add(77, "new", 0)

    with pytest.raises(NodeError, match="kind 77"):
        Btf.parse(blob.bytes(), origin="test")


def test_a_newer_kind_is_stepped_over_where_the_kernel_says_how(blob: Blob) -> None:
    """Its records are 20 bytes and 8 for each entry here; what leads to it has no size, and the rest is as ever."""
    newer = blob.add(21, "new", 0, 1, 2, 3, 4, 5, 6, vlen=2)
    blob.aggregate(STRUCT, "later", 8, ("n", newer, 0), ("m", 1, 32))
    blob.layout = b"".join(struct.pack("=BBH", *(8, 8, 0) if kind == 21 else (0, 0, 0)) for kind in range(22))
    btf = Btf.parse(blob.bytes(header_length=32), origin="test")

    assert btf.member("later", "n") == Member(offset=0, size=0)
    assert btf.member("later", "m") == Member(offset=4, size=4)
    assert btf.member("outer", "d") == Member(offset=12, size=4)


def test_other_files_are_refused(blob: Blob) -> None:
    """Wrong magic, a missing end, a record cut in two, a few bytes."""
    with pytest.raises(NodeError, match="0x9feb"):
        Btf.parse(blob.bytes(magic=0x9FEB), origin="test")
    with pytest.raises(NodeError, match="truncated"):
        Btf.parse(blob.bytes()[:-1], origin="test")
    with pytest.raises(NodeError, match="less than a header"):
        Btf.parse(b"\x9f\xeb", origin="test")
    blob.types = blob.types[:-8]
    with pytest.raises(NodeError, match="truncated"):
        Btf.parse(blob.bytes(), origin="test")


def test_a_kernel_without_btf_has_a_remedy(tmp_path: Path) -> None:
    """The message says what to build or mount."""
    with pytest.raises(NodeError, match="CONFIG_DEBUG_INFO_BTF"):
        Btf.read(tmp_path / "vmlinux")


@pytest.mark.skipif(not VMLINUX.exists(), reason="this kernel shows no BTF")
def test_the_running_kernel_is_read_at_once() -> None:
    """Well under a second for a hundred thousand types, and what never changes is as known."""
    start = time.process_time()
    btf = Btf.read()

    assert time.process_time() - start < 2
    assert btf.size_of("list_head") == 16
    assert btf.member("list_head", "prev") == Member(offset=8, size=8)
    assert btf.member("task_struct", "comm").size == 16  # type: ignore[union-attr]
    assert btf.enumerator("pid_type", "PIDTYPE_TGID") == 1
