"""The arithmetic equals the published formulas, transcribed here without numpy or matrices."""

from __future__ import annotations

import json
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kinfolk import FIXTURES

from aggregator import chisel, cohort, pipeline
from aggregator.likeness import others
from aggregator.score import membership, published_likeness, symmetric_likeness
from kinwatch.aspects import TEN_ASPECTS
from kinwatch.normalise import Profile

Sets = list[frozenset[str]]
FEATURES = st.frozensets(st.sampled_from("abcdefgh"))


@st.composite
def cohorts(draw: st.DrawFn) -> list[Sets]:
    """The sets of up to ten aspects and of two to six replicas."""
    replicas = draw(st.integers(2, 6))
    return draw(st.lists(st.lists(FEATURES, min_size=replicas, max_size=replicas), min_size=1, max_size=10))


def published_dissimilarity(sets: Sets, j: int) -> float:
    if not sets[j]:
        return 0.0
    return 1 - (1 / (len(sets) - 1)) * sum(len(sets[j] & s) / len(sets[j] | s) for i, s in enumerate(sets) if i != j)


def symmetric_dissimilarity(sets: Sets, j: int) -> float:
    similarities = [len(sets[j] & s) / len(sets[j] | s) if sets[j] | s else 1.0 for i, s in enumerate(sets) if i != j]
    return 1 - sum(similarities) / len(similarities)


@given(cohorts())
def test_published_distances_equal_the_formulas(aspects: list[Sets]) -> None:
    """Dissimilarities and distances of every replica equal the published arithmetic to 1e-12."""
    likeness = published_likeness(aspects)
    for j in range(len(aspects[0])):
        expected = [published_dissimilarity(sets, j) for sets in aspects]
        kin = others(range(len(aspects[0])), j)
        assert likeness.dissimilarities(j, kin) == pytest.approx(expected, abs=1e-12)
        assert likeness.distance(j, kin) == pytest.approx(sqrt(sum(x * x for x in expected)), abs=1e-12)


@given(cohorts())
def test_symmetric_distances_equal_the_formulas(aspects: list[Sets]) -> None:
    """Kinwatch takes two empty sets for equal, and an empty one for a whole difference from a full one."""
    likeness = symmetric_likeness(aspects)
    for j in range(len(aspects[0])):
        expected = [symmetric_dissimilarity(sets, j) for sets in aspects]
        assert likeness.dissimilarities(j, others(range(len(aspects[0])), j)) == pytest.approx(expected, abs=1e-12)


@given(cohorts())
def test_likeness_is_mutual_in_the_kinwatch_profile(aspects: list[Sets]) -> None:
    """Two replicas are as different seen from one as seen from the other."""
    similarity = symmetric_likeness(aspects).similarity
    assert (similarity == similarity.transpose(0, 2, 1)).all()


@given(FEATURES, st.integers(2, 9))
def test_equal_replicas_have_a_distance_of_exactly_zero(features: frozenset[str], replicas: int) -> None:
    """No rounding: a threshold of 0 finds nothing among replicas that are equal."""
    for likeness in (published_likeness([[features] * replicas]), symmetric_likeness([[features] * replicas])):
        assert set(likeness.distances(range(replicas)).values()) == {0.0}


def test_features_are_numbered_in_sorted_order() -> None:
    assert membership([frozenset("ca"), frozenset("b")]).tolist() == [[True, False, True], [False, True, False]]


def test_an_empty_set_against_full_ones() -> None:
    """Published: the empty replica is no different (0) and its kin are (1/2). Kinwatch: it is the different one."""
    sets = [frozenset[str](), frozenset("a"), frozenset("a")]
    assert published_likeness([sets]).distances(range(3)) == {0: 0.0, 1: 0.5, 2: 0.5}
    assert symmetric_likeness([sets]).distances(range(3)) == {0: 1.0, 1: 0.5, 2: 0.5}


# --- real captures, against the published cleaning and arithmetic transcribed -------------------------------------


def published_distances(name: str) -> dict[str, float]:
    text = (FIXTURES / name).read_text()
    (gathering,) = cohort.gather([], [chisel.parse_capture(text, source=name, name=name)])
    measured = pipeline.measure(gathering, Profile.REPLICAWATCHER, TEN_ASPECTS)
    verdict = pipeline.verdict_on(measured, 0.3)
    return {str(one.replica.pod)[-12:]: one.distance or 0.0 for one in verdict.replicas}


@pytest.mark.parametrize(
    ("capture", "distances"),
    [
        ("replicas_web2_misbehaves.json", {"57c0adc223db": 1.2234, "0351fdba40b5": 0.6117, "74acfdb09c83": 0.6117}),
        ("replicas_normal.json", {"57c0adc223db": 0.0, "0351fdba40b5": 0.0, "74acfdb09c83": 0.0}),
        (
            "replicas.scap.by_container_id.json",
            {"69d90f2bf89d": 1.3203, "c39c8a73254d": 0.7026, "c7976a130512": 0.7612},
        ),
    ],
)
def test_real_captures_have_the_published_distances(capture: str, distances: dict[str, float]) -> None:
    assert published_distances(capture) == pytest.approx(distances, abs=5e-5)


def test_the_worked_example_aspect_by_aspect() -> None:
    """The ten dissimilarities of web2, in the published order."""
    text = (FIXTURES / "replicas_web2_misbehaves.json").read_text()
    (gathering,) = cohort.gather([], [chisel.parse_capture(text, source="f", name="f")])
    verdict = pipeline.verdict_on(pipeline.measure(gathering, Profile.REPLICAWATCHER, TEN_ASPECTS), 0.3)
    (web2,) = [one for one in verdict.replicas if str(one.replica.pod).endswith("57c0adc223db")]
    expected = [0.25, 0.154, 0.273, 0.538, 0.25, 0.25, 0.444, 0.667, 0.444, 0.286]
    assert list(web2.dissimilarity) == list(TEN_ASPECTS)
    assert list(web2.dissimilarity.values()) == pytest.approx(expected, abs=5e-4)


def test_the_order_of_keys_and_members_does_not_matter() -> None:
    """Captures of the same run differ in order, and never in distance, to the last bit."""
    text = (FIXTURES / "replicas_web2_misbehaves.json").read_text()
    turned = json.dumps(
        [
            {key: value[::-1] if isinstance(value, list) else value for key, value in reversed(one.items())}
            for one in reversed(json.loads(text))
        ]
    )
    verdicts = [
        pipeline.verdict_on(
            pipeline.measure(
                cohort.gather([], [chisel.parse_capture(form, source="f", name="f")])[0], Profile.KINWATCH, TEN_ASPECTS
            ),
            0.3,
        )
        for form in (text, turned)
    ]
    assert verdicts[0].replicas == verdicts[1].replicas
