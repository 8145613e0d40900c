"""
What is replaced in command lines, and what is left alone.

Two corpora beside it, in tests/fixtures/secrets: `bearing.jsonl` has command lines with made-up secrets, each with the
kind it is told by, and `clean.jsonl` has those of healthy containers. The `¦` in a token is taken out before use: it
keeps those who scan repositories for tokens from ringing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import secret_names, secret_patterns, secret_text, secret_words
from agent.redact import KEY_BYTES_MAX, KEY_BYTES_MIN, Redactor, key_from
from kinwatch.errors import InputError

ROOT = Path(__file__).parent.parent.parent
CORPUS = ROOT / "tests" / "fixtures" / "secrets"
KEY = b"0123456789abcdef"
REDACTOR = Redactor(KEY)
REPLACEMENT = re.compile("\u2039([a-z-]+):([0-9a-f]{8})\u203a")
ARGUMENT_BYTES = 4096

unhurried = settings(deadline=None)
"""A busy machine is no failure."""


def lines_of(name: str) -> list[Any]:
    return [json.loads(line) for line in (CORPUS / name).read_text().replace("¦", "").splitlines()]


BEARING = lines_of("bearing.jsonl")
CLEAN = lines_of("clean.jsonl")


def expected(argv: Sequence[str], kinds: dict[str, str]) -> list[str]:
    """The arguments with each secret replaced, wherever it stands, and nothing else."""
    longest_first = "|".join(map(re.escape, sorted(kinds, key=len, reverse=True)))
    return [re.sub(longest_first, lambda match: replacement(match.group(), kinds), argument) for argument in argv]


def replacement(secret: str, kinds: dict[str, str]) -> str:
    return f"\u2039{kinds[secret]}:{REDACTOR._hash(secret)}\u203a"


# --- the corpora ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", BEARING, ids=lambda line: " ".join(line["argv"])[:60])
def test_secret_is_replaced_and_nothing_else(line: dict[str, Any]) -> None:
    assert REDACTOR.arguments(line["argv"]) == expected(line["argv"], line["secrets"])


@pytest.mark.parametrize("argv", CLEAN, ids=lambda argv: " ".join(argv)[:60])
def test_ordinary_command_line_is_left_alone(argv: list[str]) -> None:
    assert REDACTOR.arguments(argv) == argv


@pytest.mark.parametrize("argv", CLEAN, ids=lambda argv: " ".join(argv)[:60])
def test_ordinary_name_is_left_alone(argv: list[str]) -> None:
    """Each argument would do as the name of a file."""
    assert [REDACTOR.text(argument) for argument in argv] == argv


def test_corpora_are_not_thinned_out() -> None:
    assert len(BEARING) >= 120
    assert len(CLEAN) >= 150


def test_every_kind_is_in_the_corpus_and_documented() -> None:
    page = (ROOT / "docs" / "secrets.md").read_text()
    seen = {kind for line in BEARING for kind in line["secrets"].values()}
    kinds = {shape.kind for shape in secret_patterns.SHAPES}
    assert [kind for kind in sorted(seen | kinds) if f"`{kind}`" not in page] == []


# --- names of files, working directories ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("/tmp/https://joe:hunter2@git.example/a", {"hunter2": "password"}),
        ("upload?token=7Kd93kfLw0aQ&n=1", {"7Kd93kfLw0aQ": "token"}),
        ("/var/cache/AKIA" + "IOSFODNN7EXAMPLE.json", {"AKIA" + "IOSFODNN7EXAMPLE": "aws-key"}),
    ],
)
def test_name_of_a_file_loses_the_secret_in_it(name: str, kinds: dict[str, str]) -> None:
    assert [REDACTOR.text(name)] == expected([name], kinds)


# --- what a replacement says ----------------------------------------------------------------------------------------

SECRETS = st.text(
    alphabet=st.sampled_from("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP0123456789_+.~"), min_size=10
).map(lambda text: f"q{text}Z")
"""What a secret may look like without being a path, a variable or a number."""

WAYS = [
    ["app", "--password={}"],
    ["app", "--password", "{}", "--verbose"],
    ["app", "--token", "{}"],
    ["app", "--client-secret={}"],
    ["app", "--api-key", "{}"],
    ["env", "PGPASSWORD={}", "psql"],
    ["env", "A_TOKEN={}", "B=c", "run"],
    ["mysql", "-uroot", "-p{}", "shop"],
    ["sshpass", "-p", "{}", "ssh", "-p", "22", "h"],
    ["redis-cli", "-a", "{}", "ping"],
    ["curl", "-su", "joe:{}", "https://x.example"],
    ["curl", "-H", "Authorization: Bearer {}", "https://x.example"],
    ["curl", "-H", "X-Vault-Token: {}", "https://x.example"],
    ["curl", "-d", '{{"password": "{}"}}', "https://x.example"],
    ["curl", "https://x.example?access_token={}&n=1"],
    ["git", "clone", "https://joe:{}@git.example/a.git"],
    ["psql", "host=db password={} dbname=shop"],
    ["app", "Server=db;User Id=sa;Password={};Database=shop"],
    ["openssl", "rsa", "-passin", "pass:{}"],
    ["smbclient", "//nas/share", "-U", "joe%{}"],
    ["docker", "login", "-u", "joe", "-p", "{}", "r.example"],
    ["kubectl", "create", "secret", "generic", "a", "--from-literal=b={}"],
    ["sh", "-c", "mysql -p{} shop && echo done"],
    ["sh", "-c", "cd /tmp; PGPASSWORD='{}' psql -h db"],
    ["sh", "-c", "ssh h \"redis-cli -a '{}' ping\""],
]
"""Ways to hand a secret over."""


@unhurried
@given(st.sampled_from(WAYS), SECRETS)
def test_no_secret_survives(way: list[str], secret: str) -> None:
    argv = [argument.format(secret) for argument in way]
    redacted = REDACTOR.arguments(argv)
    assert not [argument for argument in redacted if secret in argument]
    assert REPLACEMENT.search("".join(redacted))


@unhurried
@given(st.text(min_size=2).filter(lambda text: text[0] != "-"))
def test_value_of_a_password_option_survives_only_as_a_placeholder(secret: str) -> None:
    """Whatever a password is made of, it is replaced whole, or is a variable, a path, a mask or the like."""
    (_, replaced) = REDACTOR.arguments(["app", f"--password={secret}"])
    whole = REPLACEMENT.fullmatch(replaced.removeprefix("--password="))
    spared = not secret_names.is_secret(secret, secret_names.Named("password"))
    assert whole or spared or secret[0] in "\"'" or REPLACEMENT.search(secret) or secret.startswith("pass:")


def hex_of(redactor: Redactor, way: Sequence[str], secret: str) -> str:
    found = REPLACEMENT.search(" ".join(redactor.arguments([argument.format(secret) for argument in way])))
    assert found
    return found[2]


@unhurried
@given(st.sampled_from(WAYS), st.sampled_from(WAYS), SECRETS)
def test_equal_secrets_stay_equal_wherever_they_stand(one: list[str], other: list[str], secret: str) -> None:
    assert hex_of(REDACTOR, one, secret) == hex_of(Redactor(KEY), other, secret)


@unhurried
@given(st.sampled_from(WAYS), st.lists(SECRETS, min_size=2, max_size=5, unique=True))
def test_different_secrets_differ(way: list[str], different: list[str]) -> None:
    assert len({hex_of(REDACTOR, way, secret) for secret in different}) == len(different)


@unhurried
@given(st.sampled_from(WAYS), SECRETS, st.binary(min_size=KEY_BYTES_MIN, max_size=64).filter(lambda key: key != KEY))
def test_another_key_gives_other_digits(way: list[str], secret: str, key: bytes) -> None:
    """The digits tell nothing to those who lack the key, nor across installations."""
    assert hex_of(REDACTOR, way, secret) != hex_of(Redactor(key), way, secret)


# --- twice is once --------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *"-=:/@;,&|'\" \n\t\\$(){}<>%?#",
        *(
            "--password",
            "-p",
            "-u",
            "password",
            "TOKEN",
            "_KEY",
            "Authorization",
            "Bearer ",
            "X-Api-Key",
            "://",
            "pass:",
        ),
        *(
            "mysql ",
            "curl ",
            "sh -c ",
            "env ",
            "docker login ",
            "redis-cli -a ",
            "kubectl create secret --from-literal=",
        ),
        *("hunter2", "joe", "AKIA" + "IOSFODNN7EXAMPLE", "eyJhbGciOiJI.eyJzdWIi.abc", "gh" + "p_" + "a1" * 18),
        *("-----BEGIN PRI" + "VATE KEY-----", "-----END PRI" + "VATE KEY-----", "\u2039", "\u203a"),
        *("\u2039password:0123abcd\u203a", "$PASSWORD", "${X}", "***", "true", "/etc/x", "\ud800", "\u65e5"),
    ]
)
ARGUMENTS = st.lists(st.lists(PIECES, max_size=12).map("".join), max_size=6)


@unhurried
@given(ARGUMENTS | st.lists(st.text(max_size=80), max_size=6))
def test_redacting_twice_changes_nothing(argv: list[str]) -> None:
    once = REDACTOR.arguments(argv)
    assert REDACTOR.arguments(once) == once
    assert len(once) == len(argv)


@unhurried
@given(ARGUMENTS)
def test_redacting_a_name_twice_changes_nothing(argv: list[str]) -> None:
    once = REDACTOR.text("".join(argv))
    assert REDACTOR.text(once) == once


@pytest.mark.parametrize("line", BEARING, ids=lambda line: " ".join(line["argv"])[:60])
def test_what_was_replaced_is_left_alone(line: dict[str, Any]) -> None:
    once = REDACTOR.arguments(line["argv"])
    assert REDACTOR.arguments(once) == once


# --- bad cases ------------------------------------------------------------------------------------------------------


def test_secret_that_is_no_unicode_is_replaced() -> None:
    """Lone surrogates are what Python makes of bytes that are no UTF-8."""
    (_, replaced) = REDACTOR.arguments(["app", "--password=\udcff\udcfe\ud800"])
    assert REPLACEMENT.search(replaced)


def hostile() -> Iterator[str]:
    """Texts of the longest argument that is kept, each begun over and over where a pattern might begin."""
    beginnings = [
        *("a", " ", "\n", '"', "'", "\\", "-", "=", "'\"", "$(", "`", ";", "{", "\u2039", "\u203a", "\x00", "\ud800"),
        *(
            "://",
            "://a:",
            "://a:b/",
            "a=",
            "pw=",
            "pw=$(",
            "pw=,",
            "pw= ",
            "pw='",
            'pw="',
            'pw\\"="',
            "token: ",
            "x-token:",
        ),
        *(
            "-u a:",
            "mysql -p",
            "sh -c '",
            "a b=",
            "pw=a;b",
            ",a",
            "1.",
            "-----BEGIN ",
            "-----BEGIN PRI" + "VATE KEY-----",
        ),
        *(
            "eyJ",
            "eyJaaaaaaaaa.",
            "eyJaaaaaaaaa-",
            "sk-",
            "sk-proj-a",
            "AKIA",
            "MIIa",
            "LS0tLS1CRUdJTi",
            "bearer ",
            "0:AA",
        ),
        *(
            "dp.pt.",
            "SG.aaaaaaaaaaaaaaaa.",
            "IDENTIFIED BY '",
            "password '",
            "?sig=",
            "oracle:thin:a/",
            "aaa1Q~",
            "\\nx-key:",
        ),
    ]
    for beginning in beginnings:
        yield (beginning * ARGUMENT_BYTES)[:ARGUMENT_BYTES]


@pytest.mark.parametrize("text", [*hostile()], ids=lambda text: repr(text[:16]))
def test_hostile_argument_comes_to_an_end(text: str) -> None:
    """Backtracking without bound would take longer than the time limit of any test, by far."""
    once = REDACTOR.arguments(["sh", "-c", text])
    assert len(once) == 3
    assert REDACTOR.arguments(["app", text, text]) == REDACTOR.arguments(REDACTOR.arguments(["app", text, text]))


MODULES = (secret_names, secret_patterns, secret_text, secret_words)
SHAPES = {f"{shape.kind} {shape.hints[0]}": shape.pattern for shape in secret_patterns.SHAPES}
NAMED = {
    f"{module.__name__}.{name}": value
    for module in MODULES
    for name, value in vars(module).items()
    if isinstance(value, re.Pattern)
}


def repeats(parsed: Any, *, within: bool = False) -> Iterator[tuple[str, Any, bool]]:
    """Each repetition of a pattern: its name, what it repeats, whether it stands in a boundless one that gives back."""
    for name, value in parsed:
        inner = within and str(name) != "ATOMIC_GROUP"
        if str(name).endswith("_REPEAT"):
            _, most, body = value
            yield str(name), body, within
            inner = inner or (str(name) != "POSSESSIVE_REPEAT" and str(most) == "MAXREPEAT")
        for child in children(value):
            yield from repeats(child, within=inner)


def children(value: Any) -> Iterator[Any]:
    if type(value).__name__ == "SubPattern":
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from children(one)


@pytest.mark.parametrize("pattern", [*SHAPES.values(), *NAMED.values()], ids=[*SHAPES, *NAMED])
def test_pattern_takes_linear_time(pattern: re.Pattern[str]) -> None:
    """
    A boundless repetition holds no other that could give back what it took, which is what makes patterns explode.

    Nor is a group repeated possessively: Python 3.11.0 to 3.11.4 match those wrongly (gh-106052).
    """
    for name, body, within in repeats(import_module("re._parser").parse(pattern.pattern, pattern.flags)):
        one_wide = len(body) == 1 and str(body[0][0]) in {"IN", "LITERAL", "NOT_LITERAL", "ANY", "CATEGORY"}
        assert name != "POSSESSIVE_REPEAT" or one_wide
        assert name == "POSSESSIVE_REPEAT" or not within


@pytest.mark.parametrize("name", secret_names._WHOLE)
def test_name_of_a_secret_is_not_passed_over(name: str) -> None:
    """Texts without a hint are not looked through, so every name has one in it."""
    assert secret_names.may_name(name)


@pytest.mark.parametrize("argv", [[], [""], ["", ""], ["\n"], ["--password"], ["mysql", "-p"], ["curl", "-u"], ["-"]])
def test_nothing_is_made_up(argv: list[str]) -> None:
    assert REDACTOR.arguments(argv) == argv


# --- the key --------------------------------------------------------------------------------------------------------


def test_key_is_what_the_file_holds(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(KEY)
    assert key_from(path) == KEY


def test_key_is_made_up_anew_without_a_file() -> None:
    assert key_from(None) != key_from(None)
    assert len(key_from(None)) >= KEY_BYTES_MIN


@pytest.mark.parametrize("size", [0, KEY_BYTES_MIN - 1, KEY_BYTES_MAX + 1])
def test_key_of_a_wrong_size_is_refused_with_a_remedy(tmp_path: Path, size: int) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"k" * size)
    with pytest.raises(InputError) as raised:
        key_from(path)
    assert str(path) in raised.value.problem
    assert "/dev/urandom" in raised.value.remedy


@pytest.mark.parametrize("name", ["missing", "."])
def test_key_that_cannot_be_read_is_refused_with_a_remedy(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="reading the key"):
        key_from(tmp_path / name)
