"""The generated header: as the running kernel has it, and as a compiler reads it."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from agent.btf import VMLINUX, Btf
from agent.layouts import WANTED, field, render
from kinwatch.errors import NodeError

COMPILER = shutil.which("gcc") or shutil.which("cc")
TYPES = """
#include <stdbool.h>
#include <stdint.h>
typedef uint8_t u8; typedef uint16_t u16; typedef uint32_t u32; typedef uint64_t u64;
"""

pytestmark = pytest.mark.skipif(not VMLINUX.exists(), reason="this kernel shows no BTF")


@pytest.fixture(scope="module", name="btf")
def _btf() -> Btf:
    return Btf.read()


def _printed(source: str, tmp_path: Path) -> list[str]:
    """Compile a program, run it, give its lines."""
    assert COMPILER is not None
    (tmp_path / "main.c").write_text(source)
    subprocess.run([COMPILER, "-Wall", "-Werror", "-o", tmp_path / "main", tmp_path / "main.c"], check=True)
    return subprocess.run([tmp_path / "main"], check=True, capture_output=True, text=True).stdout.splitlines()


@pytest.mark.skipif(COMPILER is None, reason="no C compiler on PATH")
def test_the_compiler_sees_the_kernels_offsets(btf: Btf, tmp_path: Path) -> None:
    """Every member is where, and as large as, the kernel says."""
    (tmp_path / "layouts.h").write_text(render(btf))
    prints, expected = [], []
    for name, one in ((name, one) for name, fields in WANTED.items() for one in fields):
        member = next(filter(None, (btf.member(name, path) for path in one.paths)), None)
        if member is not None:
            c_name = re.findall(r"\w+", one.declaration.partition("[")[0])[-1]
            place = f"offsetof(struct {name}, {c_name}), sizeof(((struct {name} *)0)->{c_name})"
            prints.append(f'printf("{name}.{c_name} %zu %zu\\n", {place});')
            expected.append(f"{name}.{c_name} {member.offset} {member.size}")
    main = f"int main(void) {{ {' '.join(prints)} return 0; }}"

    source = f'{TYPES}\n#include <stddef.h>\n#include <stdio.h>\n#include "layouts.h"\n{main}\n'
    assert _printed(source, tmp_path) == expected


def test_a_missing_member_is_named(btf: Btf) -> None:
    """With the struct, each name it might have had, and the kernel."""
    wanted = {"task_struct": (field("int soul", "soul", "__soul"),)}

    with pytest.raises(NodeError, match=r"kernel \S+ has no struct task_struct\.soul or task_struct\.__soul"):
        render(btf, wanted)
    with pytest.raises(NodeError, match="no struct ghost"):
        render(btf, {"ghost": ()})


def test_the_first_name_that_exists_is_taken(btf: Btf) -> None:
    """A rename between kernels costs the probe nothing."""
    text = render(btf, {"list_head": (field("void *before", "previous", "prev"),)}, {})

    assert "struct list_head {\n\tchar _gap0[8];\n\tvoid *before;\n}" in text


def test_an_optional_member_has_a_switch(btf: Btf) -> None:
    """The probe can ask the preprocessor, whether or not the member is there."""
    lacking = field("int soul", optional=True)
    text = render(btf, {"task_struct": (lacking, replace(lacking, declaration="int pid", paths=("pid",)))})

    assert "#define HAS_TASK_STRUCT_SOUL 0\n" in text
    assert "#define HAS_TASK_STRUCT_PID 1\n" in text
    assert "int soul;" not in text


def test_a_member_of_another_size_is_refused(btf: Btf) -> None:
    """Half a pointer read is worse than none."""
    with pytest.raises(NodeError, match=r"task_struct\.comm in 16 bytes, where 'char comm\[8\]' takes 8"):
        render(btf, {"task_struct": (field("char comm[8]"),)})


def test_an_array_is_as_long_as_the_kernels(btf: Btf) -> None:
    """Its length depends on the kernel's configuration."""
    text = render(btf, {"task_struct": (field("char comm[]"),)})

    assert "\tchar comm[16];\n" in text


def test_a_missing_enumerator_is_minus_one(btf: Btf) -> None:
    """A kernel may be built without a cgroup controller."""
    text = render(btf, {}, {"SOUL_ID": ("pid_type", "PIDTYPE_SOUL"), "TGID": ("pid_type", "PIDTYPE_TGID")})

    assert "#define SOUL_ID (-1)\n#define TGID 1\n" in text


def test_members_at_one_place_are_a_mistake(btf: Btf) -> None:
    """The table is ours; a person at the node can do nothing about it."""
    with pytest.raises(ValueError, match="overlap"):
        render(btf, {"list_head": (field("void *next"), field("void *again", "next"))})
