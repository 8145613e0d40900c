"""What each profile takes out of values, and what it must leave in."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinwatch.aspects import Aspect
from kinwatch.normalise import Profile, normalise
from kinwatch.snapshot import Replica

REPLICA = Replica(
    namespace="shop",
    pod="web-6d4f-x2x7k",
    pod_uid="0f6e1c1a-2f6b-4a53-9d0e-1b2c3d4e5f60",
    container="web",
    container_id="c7976a1305126e1cde54fe002c46b7ffd34ac4cce4f47516527c0351fdba40b5",
)


def published(aspect: Aspect, *values: str) -> set[str]:
    return set(normalise(Profile.REPLICAWATCHER, aspect, values, REPLICA))


def kin(aspect: Aspect, value: str, replica: Replica = REPLICA) -> str:
    (feature,) = normalise(Profile.KINWATCH, aspect, [value], replica)
    return feature


class TestReplicawatcher:
    @pytest.mark.parametrize(
        "aspect", [Aspect.PROCESSES, Aspect.COMMANDS, Aspect.ARGUMENTS, Aspect.EXECUTABLES, Aspect.DIRECTORIES]
    )
    def test_digits_go_and_values_that_became_equal_are_one(self, aspect: Aspect) -> None:
        assert published(aspect, "w1", "w22", "w²") == {"w"}

    @pytest.mark.parametrize("aspect", [Aspect.SYSCALLS, Aspect.SYSCALL_CATEGORIES, Aspect.FILE_OPERATIONS])
    def test_digits_stay_where_the_values_are_names(self, aspect: Aspect) -> None:
        assert published(aspect, "dup2", "ipv4") == {"dup2", "ipv4"}

    def test_directories_keep_their_first_three_components(self) -> None:
        assert published(Aspect.DIRECTORIES, "/usr/lib/x/y", "/usr/lib/x", "/", "a/b/c/d/e") == {
            "/usr/lib/x",
            "/",
            "a/b/c/d",
        }

    @pytest.mark.parametrize(
        "name", ["x.random", "x.cache1", "x.mycache", "phpAbc", "java", "app9", "tmpxmrig", "wgunicorn-x", "Evil"]
    )
    def test_filenames_that_the_published_filter_drops(self, name: str) -> None:
        assert published(Aspect.FILENAMES, name) == set()

    @pytest.mark.parametrize("name", ["passwd", "EVIL", "tmpxmrig.sh", "Evil.sh", "index.html", ".bashrc", ""])
    def test_filenames_that_the_published_filter_keeps(self, name: str) -> None:
        assert published(Aspect.FILENAMES, name) == {name}

    def test_digits_go_before_the_filename_filter_looks(self) -> None:
        """`tmp1.2` has the extension `.` once its digits are gone, and an extension keeps a name."""
        assert published(Aspect.FILENAMES, "tmp1.2") == {"tmp."}

    @pytest.mark.parametrize(
        ("cwd", "feature"),
        [("/www/", "www"), ("/", ""), ("/cafe", ""), ("/cafe/BEEF/", ""), ("/srv/0123abcd/x1", "srv/x1")],
    )
    def test_cwds_lose_their_hexadecimal_components(self, cwd: str, feature: str) -> None:
        """`/cafe` makes the released code fail; here it gives the empty string, as `/` does."""
        assert published(Aspect.CWDS, cwd) == {feature}

    def test_an_empty_cwd_is_dropped(self) -> None:
        assert published(Aspect.CWDS, "") == set()


class TestKinwatch:
    @pytest.mark.parametrize(
        ("value", "feature"),
        [
            ("/proc/4445", "/proc/<pid>"),
            ("/proc/4445/task/4446/fd", "/proc/<pid>/task/<tid>/fd"),
            ("/proc/1", "/proc/1"),
            ("/proc/1/root", "/proc/1/root"),
            ("/proc/12", "/proc/<pid>"),
            ("/proc/self/fd", "/proc/self/fd"),
            ("/tmp/hsperfdata_root/", "/tmp/hsperfdata_root"),
            ("/var/log/web-6d4f-x2x7k", "/var/log/<pod>"),
            (
                "/var/lib/kubelet/pods/0f6e1c1a-2f6b-4a53-9d0e-1b2c3d4e5f60/volumes/x",
                "/var/lib/kubelet/pods/<pod-uid>/volumes/x",
            ),
            ("/x/pod0f6e1c1a_2f6b_4a53_9d0e_1b2c3d4e5f60.slice", "/x/pod0f6e1c1a_2f6b_4a53_9d0e_1b2c3d4e5f60.slice"),
            ("/run/c7976a130512/x", "/run/<container-id>/x"),
            ("/run/c7976a1305126e1cde54fe002c46b7ffd34ac4cce4f47516527c0351fdba40b5", "/run/<container-id>"),
            (
                "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/71/fs/etc",
                "<rootfs>/etc",
            ),
            ("/var/lib/docker/overlay2/" + "ab" * 32 + "/merged/etc", "<rootfs>/etc"),
            ("/run/containerd/io.containerd.runtime.v2.task/k8s.io/web/rootfs/etc", "<rootfs>/etc"),
            ("/etc/config/..2026_11_23_01_38_44.1234567890", "/etc/config/..<written>"),
            ("/srv/", "/srv"),
            ("/", "/"),
        ],
    )
    def test_directories(self, value: str, feature: str) -> None:
        assert kin(Aspect.DIRECTORIES, value) == feature

    @pytest.mark.parametrize(
        ("value", "feature"),
        [
            ("tmpk3j_2x9a", "tmp<random>"),
            ("tmp.X8s2kQmP1z", "tmp.<random>"),
            ("phpA1b2C3", "php<random>"),
            ("sess_8s7df6g5h4j3k2l1q0w9e8r7t6", "sess_<random>"),
            ("upload.aB3xYz", "upload.<random>"),
            ("core.48213", "core.<n>"),
            ("gunicorn-1234.sock", "gunicorn-<n>.sock"),
            ("dump1700000000.sql", "dump<n>.sql"),
            ("0f6e1c1a-2f6b-4a53-9d0e-aaaaaaaaaaaa.json", "<uuid>.json"),
        ],
    )
    def test_filenames(self, value: str, feature: str) -> None:
        assert kin(Aspect.FILENAMES, value) == feature

    @pytest.mark.parametrize(
        "name", ["Evil", "tmpxmrig", "m.sh", "x1.sh", "passwd", "t1.txt", "php-fpm", "phpinfo.php", "libssl.so.3", ""]
    )
    def test_names_that_an_attacker_chooses_stay(self, name: str) -> None:
        """Among them those that the published filter throws away."""
        assert kin(Aspect.FILENAMES, name) == name

    @pytest.mark.parametrize(
        ("value", "feature"),
        [
            ("nc 10.0.3.7 4444", "nc <private-ip> 4444"),
            ("nc 203.0.113.9 4444", "nc 203.0.113.9 4444"),
            ("curl http://169.254.169.254/latest", "curl http://169.254.169.254/latest"),
            ("psql -h 10.96.0.12:5432", "psql -h <private-ip>:5432"),
            ("x --peer 192.168.1.4:48211", "x --peer <private-ip>:<port>"),
            ("x fd00:10:244::5", "x <private-ip>"),
            ("x 999.10.0.1", "x 999.10.0.1"),
            ("sh -c id", "sh -c id"),
        ],
    )
    def test_commands(self, value: str, feature: str) -> None:
        assert kin(Aspect.COMMANDS, value) == feature

    @pytest.mark.parametrize("aspect", [Aspect.PROCESSES, Aspect.EXECUTABLES])
    def test_programs_keep_random_looking_names(self, aspect: Aspect) -> None:
        """Healthy replicas run no programs from temporary files; an attacker does."""
        assert kin(aspect, "/tmp/tmpk3j_2x9a") == "/tmp/tmpk3j_2x9a"

    @pytest.mark.parametrize("aspect", [Aspect.SYSCALLS, Aspect.SYSCALL_CATEGORIES, Aspect.FILE_OPERATIONS])
    def test_names_from_fixed_lists_are_left_alone(self, aspect: Aspect) -> None:
        assert kin(aspect, "pread64") == "pread64"

    def test_a_pod_with_a_short_plain_name_rewrites_nothing(self) -> None:
        assert kin(Aspect.DIRECTORIES, "/var/lib/db", Replica(pod="db")) == "/var/lib/db"

    def test_a_name_that_only_begins_like_the_pod_is_another_name(self) -> None:
        assert kin(Aspect.FILENAMES, "web-6d4f-x2x7kevil") == "web-6d4f-x2x7kevil"

    @given(st.sampled_from(Aspect), st.text())
    def test_no_value_is_ever_dropped(self, aspect: Aspect, value: str) -> None:
        assert len(normalise(Profile.KINWATCH, aspect, [value], REPLICA)) == 1

    @pytest.mark.parametrize(
        "value",
        [
            "/" * 200_000,
            "/proc/" * 40_000,
            "1." * 100_000,
            "a" * 200_000,
            "0" * 200_000 + "g",
            "f" * 200_000,
            "." * 200_000,
            ".a" * 100_000,
            "hsperfdata_" * 20_000,
            "/overlay/" * 20_000,
            "/io.containerd.runtime.v2.task" * 7_000,
            "fd00:" * 40_000,
            "sess_" * 40_000,
            "tmp" * 70_000,
        ],
        ids=lambda value: value[:12],
    )
    def test_no_value_takes_long(self, value: str) -> None:
        """A container chooses its arguments; none of them may hold the aggregator up."""
        begin = time.process_time()
        for aspect in (Aspect.ARGUMENTS, Aspect.FILENAMES):
            kin(aspect, value)
        assert time.process_time() - begin < 5
