"""
Judge a name and a value: does a secret stand under this name, and is this value one?

Flow: beside drain, for redact. Knows words only; where names and values are found is redact's business.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

NAME_BYTES_MAX: Final = 64
"""Characters of a name, from its end, by which it is judged: the telling word stands last."""

NAMES_REMEMBERED: Final = 4096
"""Names whose judgement is kept; option names repeat in every process. At most 0.5 MB."""


_HINTS: Final = ("pass", "pw", "secret", "token", "key", "auth", "cookie", "cred", "bearer", "psk", "proxy")
"""What every name of a secret has in it."""


def may_name(text: str) -> bool:
    """Whether the name of a secret may be in a text; cheap, since nearly all texts have none."""
    lower = text.lower()
    for hint in _HINTS:  # noqa: SIM110 - any() with a generator takes twice the time
        if hint in lower:
            return True
    return False


class Named(NamedTuple):
    """What a name says about its value."""

    kind: str
    """Word in the replacement."""
    after: str = ""
    """The secret begins behind the first of these characters: `user:SECRET`."""
    sure: bool = True
    """Whether the name alone tells; else the value has to look made by a machine."""
    flag: bool = False
    """Whether the name is a switch, which takes no value of its own as the next argument."""


AUTHORIZATION: Final = "authorization"
"""Kind of a value that may begin with the name of a scheme: `Bearer`, `Basic`."""


class Span(NamedTuple):
    """Where a secret stands in a text."""

    start: int
    end: int
    kind: str
    """Word in the replacement."""


_NUMBER: Final = "0123456789_-"
"""What may follow a name where there are several: `PASSWORD_2`."""

_WORDS = re.compile(r"[^\W_]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_WHOLE: Final = {
    # Names that no rule below tells, without their punctuation.
    "authorization": Named(AUTHORIZATION),
    "proxyauthorization": Named(AUTHORIZATION),
    "auth": Named("token", sure=False, flag=True),
    "xauth": Named("token"),
    "cookie": Named("cookie", flag=True),
    "setcookie": Named("cookie", flag=True),
    "oauth2bearer": Named("token"),
    "bearer": Named("token"),
    "masterauth": Named("password"),
    "secretkeybase": Named("key"),
    "secretstring": Named("secret"),
    "secretid": Named("secret", sure=False),
    "creds": Named("password", after=":"),
    "srccreds": Named("password", after=":"),
    "destcreds": Named("password", after=":"),
    "basicauth": Named("password", after=":"),
    "httpauth": Named("password", after=":"),
    "proxyauth": Named("password", after=":"),
    "proxyuser": Named("password", after=":"),
}

_NEVER: Final = frozenset({"oldpwd", "htpasswd", "authuserpass", "initialclustertoken"})
"""Names that end like a secret and hold none: a directory, files, etcd's name of a cluster."""

_SWITCHES: Final = frozenset(
    "no ask prompt use with without skip disable enable allow require need show hide force reset generate random print "
    "has is empty check verify export list delete import edit create get".split()
)
"""First words of options such as --no-password: the next argument is not theirs."""

_NOT_PASS: Final = frozenset("by two multi single first second one n per".split())
_PASS_WORDS: Final = frozenset("bypass compass surpass trespass underpass overpass encompass".split())
_NOT_SECRET: Final = frozenset("pull tls cert ca from existing external sealed".split())
"""`--image-pull-secret`, `existingSecret`: the name of a Secret object, not what is in it."""

_NOT_TOKEN: Final = frozenset(
    "next page continue continuation pagination starting start end cancel sync resume eos bos pad unk mask sep stop "
    "special cls max min num new".split()
)
"""Where a list goes on, and a tokenizer's marks."""

_SECRET_KEYS: Final = frozenset(
    "api access secret auth account shared master encryption encrypt decryption signing subscription license licence "
    "certificate unseal recovery registration service app application storage admin session crypto cipher hmac jwt aes "
    "webhook ingest ingestion deploy functions consumer integration".split()
)
"""What a key is called when who has it may do something."""

_FILED_KEYS: Final = frozenset({"private", "client"})
"""What a key is called that mostly is given by the name of its file."""

_OTHER_KEYS: Final = frozenset(
    "public pub primary foreign partition sort cache row routing route hot registry label group map index object file "
    "host trusted gpg finger idempotency dedup sub config feature event message redis lock s3 bucket blob lookup query "
    "translation project issue data node name prefix queue topic".split()
)
"""What a key is called that is none of a lock."""


def named(name: str) -> Named | None:
    """What kind of secret stands under a name (`--db-password`, `PGPASSWORD`, `X-Api-Key`); None if it holds none."""
    return _named(name[-NAME_BYTES_MAX:])


@lru_cache(maxsize=NAMES_REMEMBERED)
def _named(name: str) -> Named | None:
    words = [word.lower() for part in _WORDS.findall(name.rstrip(_NUMBER)) for word in _HUMP.split(part)]
    whole = "".join(words)
    if not words or whole in _NEVER or name == "PWD":
        return None
    if whole in _WHOLE:
        return _WHOLE[whole]
    found = _by_last(words[-1], words[-2] if len(words) > 1 else "", name)
    return found._replace(flag=True) if found and words[0] in _SWITCHES else found


def _by_last(last: str, before: str, name: str) -> Named | None:
    if last.endswith("key"):
        return _key(last.removesuffix("key") or before, name)
    if last.endswith("token"):
        return None if before in _NOT_TOKEN else Named("token")
    if last.endswith("secret"):
        return None if before in _NOT_SECRET else Named("secret")
    if last in {"pass", "passin", "passout"}:
        return None if before in _NOT_PASS else Named("password")
    if last.endswith(("password", "passwd", "passphrase", "passcode", "pwd", "pw", "psk")):
        return Named("password")
    return Named("password") if last.endswith("pass") and last not in _PASS_WORDS else None


def _key(which: str, name: str) -> Named | None:
    if which in _SECRET_KEYS:
        return Named("key")
    in_environment = name.isupper() and which and which not in _OTHER_KEYS
    return Named("key", sure=False) if in_environment or which in _FILED_KEYS else None


# --- values ---------------------------------------------------------------------------------------------------------

_PLACEHOLDER = re.compile(
    r"""
    (?: true | false | yes | no | on | off | null | none | nil | undefined | prompt | stdin | always | never | auto
      | \[?redacted\]? | \[filtered\] | [*\u2022]++ | x{3,}+ | -++ | .?
      | \$ (?: \w*+ | \{[^}]*+\}? | \(.*+ )            # $PASSWORD, ${X}, $(cat x)
      | `.*+ | % (?: \w | \(\w++\)s | [A-Z_]++% ) | \{\{.*+ | \{\w*+\} | <[^<>]*+>
      | (?: env | file | fd | vault | op | arn | ref\+\w++ ): .*+
      | @ (?: [./~].*+ | - )                           # read from a file
      | (?: \d{1,3}+ (?: \.\d{1,3}+ ){3} : )? \d++ (?: -\d++ )? : \d++ (?: -\d++ )? (?: /\w++ )?      # ports
    )""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)

_PATH = re.compile(
    r"~/|\.{1,2}/|/(?:etc|run|var|usr|opt|home|root|tmp|mnt|data|srv|proc|sys|dev|app|secrets?|certs?|keys?|config"
    r"|credentials|vault|workspace|tls|ssl|pki|etcd-tls|kafka|bin|lib|github)(?:/|$)"
)
"""Where files are mounted. A password, or a key in base64, may begin with a slash too, but hardly so."""

_FILE_ENDS: Final = tuple(
    ".key .pem .crt .cer .der .p12 .pfx .jks .pub .asc .gpg .ppk .txt .env .yml .yaml .json .conf .token".split()
)
_FILE = re.compile(r"[\w./@~:-]++")

_MADE = re.compile(r"(?=[^0-9]*+[0-9])(?=[^A-Za-z]*+[A-Za-z])[\w+/=.~!@#$%^&*-]{12,}+")
"""A value that looks made by a machine."""


def is_secret(value: str, of: Named) -> bool:
    """Whether a value that stands under a secret's name is worth hiding, and no variable, path, number or mask."""
    if _PLACEHOLDER.fullmatch(value) or _PATH.match(value) or value.isspace():
        return False
    if of.kind == "password":
        return not (value.isdecimal() and len(value) < 3)  # noqa: PLR2004 - ffmpeg -pass 2
    if value.isdecimal() and len(value) < 6:  # noqa: PLR2004 - a count
        return False
    if value.endswith(_FILE_ENDS) and _FILE.fullmatch(value):
        return False
    return of.sure or bool(_MADE.fullmatch(value))


_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][\w-]*+)(?:[ \t]++|%20|\+)(?=\S)")
_SCHEMES: Final = frozenset({"basic", "bearer"})
"""Schemes of HTTP authentication that get a kind of their own."""


def span_of(text: str, start: int, end: int, of: Named) -> Span | None:
    """The secret within a value, without quotes around it and what is none of it; None if the value is no secret."""
    start, end = _unquoted(text, start, end)
    kind = of.kind
    if text.startswith("pass:", start):  # as openssl has it
        start += len("pass:")
    if of.after:
        start = text.find(of.after, start, end) + 1 or end
    if kind == AUTHORIZATION and (scheme := _SCHEME.match(text, start, end)):
        start = scheme.end()
        kind = scheme["scheme"].lower() if scheme["scheme"].lower() in _SCHEMES else kind
    return Span(start, end, kind) if is_secret(text[start:end], of) else None


def _unquoted(text: str, start: int, end: int) -> tuple[int, int]:
    quoted = end - start > 1 and text[start] in "\"'" and text[start] == text[end - 1]
    return (start + 1, end - 1) if quoted else (start, end)
