"""
Say with which options the well-known clients are handed a secret.

Flow: beside drain, for redact. A table: `-p` is a password to mysql and a port to ssh; only the program's name tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One way to hand over a secret."""

    flags: tuple[str, ...]
    kind: str = "password"
    joined: bool = True
    """`-pSECRET`, `--user=user:SECRET`."""
    apart: bool = True
    """`-p SECRET`."""
    after: str = ""
    """The secret begins behind the first of these characters; without one there is none."""
    switches: str = ""
    """Letters that may stand before the option's in one argument: `-su user:SECRET`."""
    needs: str = ""
    """Only where this word is among the arguments."""


_MYSQL: Final = (
    "mysql mariadb mysqldump mariadb-dump mysqladmin mariadb-admin mysqlcheck mariadb-check mysqlimport mariadb-import "
    "mysqlshow mariadb-show mysqlslap mariadb-slap mysqlbinlog mariadb-binlog mysqlpump mysqlsh mysql_upgrade"
)
_LOGIN: Final = (Option(flags=("-p",), needs="login"),)
_PLAIN_P: Final = (Option(flags=("-p",)),)
_CURL_SWITCHES: Final = "#0123469fgGiIjJkLlnNOqRsSvaZ"
_CURL: Final = (
    Option(flags=("-u", "--user", "-U", "--proxy-user"), after=":", switches=_CURL_SWITCHES),
    Option(flags=("-E", "--cert"), after=":", switches=_CURL_SWITCHES),
    Option(flags=("-b", "--cookie"), kind="cookie", after="=", switches=_CURL_SWITCHES),
)
_HTTPIE: Final = (Option(flags=("-a", "--auth"), after=":"),)
_SAMBA: Final = (Option(flags=("-U", "--user"), after="%"),)
_ERLANG: Final = (Option(flags=("-setcookie", "--cookie"), kind="cookie"),)
_SNMP: Final = (Option(flags=("-c", "-A", "-X")),)

_ROWS: Final[tuple[tuple[str, tuple[Option, ...]], ...]] = (
    (
        _MYSQL,
        (Option(flags=("-p",), apart=False, switches="ABCfGHNnqrstvX"),),
    ),
    ("mycli mydumper myloader mongo mongosh mongodump mongorestore mongoexport mongoimport mongostat", _PLAIN_P),
    ("sshpass cqlsh rabbitmqadmin cypher-shell couchbase-cli cbq beeline ncftpget ncftpput hydra", _PLAIN_P),
    ("mongotop mongofiles", _PLAIN_P),
    ("7z 7za 7zr 7zz rar unrar", (Option(flags=("-p",), apart=False),)),
    ("docker podman nerdctl helm skopeo buildah oras crane regctl oc az cf ibmcloud", _LOGIN),
    ("redis-cli valkey-cli keydb-cli", (Option(flags=("-a",), joined=False),)),
    ("ldapsearch ldapadd ldapmodify ldapdelete ldapwhoami ldapcompare ldapmodrdn ldapexop", (Option(flags=("-w",)),)),
    ("ldappasswd", (Option(flags=("-w", "-a", "-s")),)),
    ("curl", _CURL),
    ("http https xh xhs httpie", _HTTPIE),
    ("ab", (Option(flags=("-A", "-P"), after=":"),)),
    ("hey oha", (Option(flags=("-a",), joined=False, after=":"),)),
    ("lftp", (Option(flags=("-u", "--user"), after=","),)),
    ("smbclient rpcclient smbget smbtree smbcacls net nmblookup", _SAMBA),
    ("openssl", (Option(flags=("-k", "-K"), joined=False, needs="enc"),)),
    ("influx", (Option(flags=("-t",), kind="token", joined=False),)),
    ("sqlcmd bcp osql isql tsql zip unzip mosquitto_pub mosquitto_sub mosquitto_rr", (Option(flags=("-P",)),)),
    ("ipmitool", (Option(flags=("-P", "-K")),)),
    ("ssh-keygen", (Option(flags=("-N", "-P"), joined=False),)),
    ("snmpget snmpgetnext snmpwalk snmpset snmpbulkwalk snmpbulkget snmptrap snmpinform snmpstatus", _SNMP),
    ("useradd usermod", (Option(flags=("-p", "--password")),)),
    ("swaks", (Option(flags=("-ap",), joined=False),)),
    ("sendemail", (Option(flags=("-xp",), joined=False),)),
    ("etcdctl", (Option(flags=("--user",), after=":"),)),
    ("erl elixir iex mix werl rabbitmqctl rabbitmq-diagnostics", _ERLANG),
    ("aws", (Option(flags=("--value",), kind="secret", needs="SecureString"),)),
    ("gh", (Option(flags=("-b", "--body"), kind="secret", needs="secret"),)),
    # Known so that a wrapper's options end where these programs' begin.
    ("ssh scp sftp rsync psql pg_dump pg_restore redis-server mongod mysqld mariadbd nginx postgres", ()),
)

CLIENTS: Final[Mapping[str, tuple[Option, ...]]] = {name: options for names, options in _ROWS for name in names.split()}
"""Program → how it takes secrets; an empty tuple: not at all by options of its own."""

_REDIS: Final = {"auth": (1, 2), "requirepass": (1,), "masterauth": (1,)}

BEHIND_WORD: Final[Mapping[str, Mapping[str, tuple[int, ...]]]] = {
    "redis-cli": _REDIS,
    "valkey-cli": _REDIS,
    "keydb-cli": _REDIS,
    "mysqladmin": {"password": (1,)},
    "mariadb-admin": {"password": (1,)},
    "rabbitmqctl": {"add_user": (2,), "change_password": (2,), "authenticate_user": (2,)},
    "vault": {"login": (1,), "unseal": (1,)},
    "mc": {"alias": (5,), "host": (5,)},
    "cf": {"auth": (2,)},
    "neo4j-admin": {"set-initial-password": (1,)},
    "nmcli": {"password": (1,)},
    "wpa_passphrase": {"wpa_passphrase": (2,)},
    "aws": {"aws_secret_access_key": (1,), "aws_session_token": (1,)},
}
"""Program → word → how many arguments behind it a secret stands."""

LAST_ARGUMENT: Final[Mapping[str, str]] = {"htpasswd": "b"}
"""Program → the switch with which its last argument is a password."""

USER_SLASH_PASSWORD: Final = frozenset("sqlplus sqlldr exp imp expdp impdp rman".split())
"""Oracle's programs: `scott/SECRET@database`."""

READS_PASSWORD: Final[Mapping[str, str]] = {
    "--password-stdin": "--password-stdin",
    "chpasswd": "chpasswd",
    "sudo": "-S",
    "passwd": "--stdin",
}
"""Word → another that must be there too: the command reads a password, which an `echo` before the pipe writes."""

SETTERS: Final[Mapping[str, tuple[str, str]]] = {
    "kubectl": ("secret", "--from-literal"),
    "oc": ("secret", "--from-literal"),
    "vault": ("kv", ""),
    "fly": ("secrets", ""),
    "flyctl": ("secrets", ""),
}
"""Program → (word, option) where every NAME=VALUE is a secret: `kubectl create secret … --from-literal=NAME=VALUE`."""

PASSWORD_SWITCH: Final = frozenset(
    f"{_MYSQL} psql pg_dump pg_dumpall pg_restore pg_basebackup createuser createdb dropdb dropuser vacuumdb reindexdb "
    "clusterdb pg_isready pg_receivewal pg_recvlogical".split()
)
"""Programs whose `--password` without `=` asks for one: the next argument is not it."""

NAMES_OBJECTS: Final = frozenset("docker podman nerdctl buildah buildctl docker-compose".split())
"""Programs whose `--secret X` names a secret, or the file in which it is."""

SEARCHES: Final = frozenset("grep egrep fgrep zgrep rg ag man".split())
"""Programs whose arguments are looked for: what stands behind `--token` is not one."""

WRAPPERS: Final = frozenset(
    "sudo doas env nohup nice ionice timeout setsid stdbuf exec time strace ltrace gosu su-exec su runuser tini "
    "dumb-init catatonit chroot unshare nsenter flock xargs watch setpriv busybox command s6-setuidgid chpst sshpass "
    "ssh parallel unbuffer script proxychains torsocks firejail proot systemd-run docker docker-compose podman nerdctl "
    "kubectl oc crictl sh bash dash ash zsh ksh python node perl ruby php do then else if elif while until ! {".split()
)
"""
Programs that run the program that is named among their arguments; interpreters, for clients that are scripts; and the
shell's own words before a command.
"""

NAMING: Final = frozenset(
    "--name --hostname --network --network-alias --link -u --user -g --group -c --container".split()
)
"""Options of wrappers whose next argument may be called like a client: `docker run --name mysql`."""

KNOWN: Final = frozenset(
    {
        *CLIENTS,
        *BEHIND_WORD,
        *LAST_ARGUMENT,
        *USER_SLASH_PASSWORD,
        *SETTERS,
        *PASSWORD_SWITCH,
        *NAMES_OBJECTS,
        *SEARCHES,
    }
)
"""Programs that are looked for behind a wrapper."""

HANDED_SECRETS: Final = frozenset(
    {
        *(name for name, options in CLIENTS.items() if options),
        *BEHIND_WORD,
        *LAST_ARGUMENT,
        *USER_SLASH_PASSWORD,
        *SETTERS,
        "sudo",
    }
)
"""Programs that are handed secrets without a word that says so: a script that has none of them need not be read."""
