"""Who is named, who is not, and who is not compared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kinfolk import ATTACKED, HEALTHY, snapshot

from aggregator import cohort, pipeline
from aggregator.judge import kin_ruling, published_ruling
from aggregator.score import published_likeness, symmetric_likeness
from aggregator.verdict import Line, Outcome, Ruling, Verdict
from kinwatch.aspects import Aspect
from kinwatch.normalise import Profile
from kinwatch.snapshot import Snapshot

NAMES = [f"web{number}" for number in range(20)]


def kin(*sets: str, threshold: float = 0.3) -> Ruling:
    """The kinwatch ruling on replicas with one aspect, a letter a feature."""
    likeness = symmetric_likeness([[frozenset(one) for one in sets]])
    return kin_ruling(likeness, range(len(sets)), names=NAMES, threshold=threshold)


def published(*sets: str, threshold: float = 0.3) -> Ruling:
    likeness = published_likeness([[frozenset(one) for one in sets]])
    return published_ruling(likeness, range(len(sets)), names=NAMES, threshold=threshold)


def judged(*snapshots: Snapshot, profile: Profile = Profile.KINWATCH) -> Verdict:
    (gathering,) = cohort.gather([Line(source="f", snapshot=one) for one in snapshots], [])
    return pipeline.verdict_on(pipeline.measure(gathering, profile, pipeline.ASPECTS[profile]), 0.3)


def odd_pods(verdict: Verdict) -> list[str | None]:
    return [one.replica.pod for one in verdict.replicas if one.anomalous]


class TestKinwatchProfile:
    def test_replicas_that_agree_are_normal(self) -> None:
        assert kin("abc", "abc", "abcd").outcome is Outcome.NORMAL

    def test_the_odd_one_of_three_is_named_and_its_kin_are_not(self) -> None:
        """Published, all three would be beyond the threshold, since the odd one raises the others' distances."""
        assert kin("abc", "xyz", "abc").odd == {1}
        assert published("abc", "xyz", "abc").odd == {0, 1, 2}

    def test_two_odd_ones_of_five_are_both_named(self) -> None:
        assert kin("abc", "xyz", "abc", "uvw", "abc").odd == {1, 3}

    def test_two_that_are_odd_in_the_same_way_are_both_named(self) -> None:
        assert kin("abc", "xyz", "abc", "xyz", "abc").odd == {1, 3}

    def test_a_faint_odd_one_is_not_hidden_by_a_glaring_one(self) -> None:
        assert kin("abcdef", "uvwxyz", "abcdef", "abcd", "abcdef").odd == {1, 3}

    def test_restless_kin_are_not_named_with_the_odd_one(self) -> None:
        """The kin differ from each other by 0.4, beyond the threshold, and the reason says so."""
        ruling = kin("abcd", "uvwxyz", "abce")
        assert ruling.odd == {1}
        assert "differ from one another too, by up to 0.4" in ruling.reason

    def test_replicas_of_which_none_stands_apart_are_all_named(self) -> None:
        ruling = kin("abc", "def", "ghi")
        assert ruling.odd == {0, 1, 2}
        assert "do not agree enough to tell" in ruling.reason

    def test_two_halves_that_differ_are_undecided(self) -> None:
        assert kin("abc", "abc", "xyz", "xyz").odd == {0, 1, 2, 3}

    def test_a_pair_is_named_together_or_not_at_all(self) -> None:
        assert kin("abc", "xyz").odd == {0, 1}
        assert "pair" in kin("abc", "xyz").reason
        assert kin("abc", "abc").odd == set()
        assert "pair" in kin("abc", "abc").reason

    def test_an_empty_set_among_full_ones_is_odd(self) -> None:
        assert kin("", "abc", "abc").odd == {0}

    def test_a_distance_equal_to_the_threshold_is_not_beyond_it(self) -> None:
        assert kin("ab", "a", threshold=0.5).outcome is Outcome.NORMAL
        assert published("ab", "a", threshold=0.5).outcome is Outcome.NORMAL

    def test_kin_are_measured_without_the_odd_one(self) -> None:
        """So that a verdict's distances show who differs, and not who has an odd neighbour."""
        assert kin("abc", "xyz", "abc").kin == {0: (2,), 1: (0, 2), 2: (0,)}

    @given(st.lists(st.text("abcdefgh", max_size=5), min_size=2, max_size=8), st.floats(0, 1))
    def test_only_a_replica_beyond_the_threshold_is_named(self, sets: list[str], threshold: float) -> None:
        likeness = symmetric_likeness([[frozenset(one) for one in sets]])
        ruling = kin_ruling(likeness, range(len(sets)), names=NAMES, threshold=threshold)
        assert (ruling.outcome is Outcome.ANOMALOUS) == bool(ruling.odd)
        assert set(ruling.kin) == set(range(len(sets)))
        assert all(likeness.distance(odd, ruling.kin[odd]) > threshold for odd in ruling.odd)

    @given(st.lists(st.text("abcdefgh", max_size=5), min_size=2, max_size=8), st.floats(0, 1))
    def test_normal_means_that_no_distance_is_beyond_the_threshold(self, sets: list[str], threshold: float) -> None:
        likeness = symmetric_likeness([[frozenset(one) for one in sets]])
        ruling = kin_ruling(likeness, range(len(sets)), names=NAMES, threshold=threshold)
        within = all(distance <= threshold for distance in likeness.distances(range(len(sets))).values())
        assert (ruling.outcome is Outcome.NORMAL) == within


class TestPublishedProfile:
    def test_a_snapshot_is_anomalous_if_any_distance_is_beyond_the_threshold(self) -> None:
        assert published("abc", "abc", "abc").outcome is Outcome.NORMAL
        assert published("abc", "abc", "abx", threshold=0.4).odd == {2}

    def test_one_replica_alone_is_inconclusive(self) -> None:
        """The released code divides by zero."""
        assert published("abc").outcome is Outcome.INCONCLUSIVE

    def test_replicas_that_were_hardly_watched_are_compared_all_the_same(self) -> None:
        """The published method knows no coverage."""
        verdict = judged(snapshot("a"), snapshot("b", observed_s=1.0), profile=Profile.REPLICAWATCHER)
        assert verdict.outcome is Outcome.NORMAL


class TestWhoIsCompared:
    @pytest.mark.parametrize("profile", Profile)
    def test_one_replica_alone_is_inconclusive(self, profile: Profile) -> None:
        verdict = judged(snapshot("a"), profile=profile)
        assert verdict.outcome is Outcome.INCONCLUSIVE
        assert verdict.reason == "one replica alone has no kin to be compared with"
        assert verdict.replicas[0].distance is None
        assert verdict.replicas[0].dissimilarity == {}

    def test_a_replica_watched_for_less_than_half_of_the_window_is_not_compared(self) -> None:
        late = snapshot("late", ATTACKED, observed_s=14.9)
        verdict = judged(snapshot("a"), snapshot("b"), late)
        assert verdict.outcome is Outcome.NORMAL
        assert "late was watched for 14.9 of 30 s" in verdict.reason
        assert [one.distance for one in verdict.replicas] == [0.0, 0.0, None]

    def test_half_of_the_window_is_enough(self) -> None:
        verdict = judged(snapshot("a"), snapshot("b"), snapshot("c", ATTACKED, observed_s=15.0))
        assert odd_pods(verdict) == ["c"]

    def test_a_replica_that_did_nothing_is_not_compared(self) -> None:
        verdict = judged(snapshot("a"), snapshot("b"), snapshot("idle", {Aspect.SYSCALLS: frozenset()}))
        assert verdict.outcome is Outcome.NORMAL
        assert "idle did nothing that was seen" in verdict.reason

    def test_fewer_than_two_that_can_be_compared_are_inconclusive(self) -> None:
        verdict = judged(snapshot("a"), snapshot("b", observed_s=1.0), snapshot("c", observed_s=2.0))
        assert verdict.outcome is Outcome.INCONCLUSIVE
        assert "1 of 3 replicas can be compared" in verdict.reason
        assert {one.distance for one in verdict.replicas} == {None}

    def test_what_is_not_compared_counts_for_nobody(self) -> None:
        """Evidence tells how many of the replicas that were compared share a feature."""
        verdict = judged(snapshot("a"), snapshot("b"), snapshot("c", ATTACKED), snapshot("d", ATTACKED, observed_s=1.0))
        (odd,) = [one for one in verdict.replicas if one.anomalous]
        assert [mark.kin for mark in odd.evidence[Aspect.EXECUTABLES].only_here] == [0]
        assert verdict.compared == 3


class TestWhatAVerdictSays:
    def test_the_attacked_replica_is_named_in_the_reason(self) -> None:
        verdict = judged(snapshot("web-1"), snapshot("web-2", ATTACKED), snapshot("web-3"))
        assert odd_pods(verdict) == ["web-2"]
        assert verdict.reason.startswith("web-2 stands apart from 2 kin")

    def test_what_was_lost_is_said_even_of_a_normal_verdict(self) -> None:
        lost = snapshot("b", lost={"ring_full": 7, "none": 0}, truncated={"filenames": 3})
        verdict = judged(snapshot("a"), lost)
        assert verdict.outcome is Outcome.NORMAL
        assert "coverage of b: lost 7 (ring_full), cut 3 filenames" in verdict.reason

    def test_evidence_is_given_for_anomalous_replicas_and_aspects_that_differ(self) -> None:
        verdict = judged(snapshot("a"), snapshot("b", ATTACKED), snapshot("c"))
        by_pod = {one.replica.pod: one for one in verdict.replicas}
        assert by_pod["a"].evidence == {}
        assert set(by_pod["b"].evidence) == set(HEALTHY)

    def test_many_names_are_counted_in_a_reason(self) -> None:
        sets = [chr(ord("a") + number) for number in range(8)]
        assert "web0, web1, web2, web3, web4 and 3 more" in kin(*sets).reason
