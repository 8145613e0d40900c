"""Rules say which replicas are watched: by namespace, workload, container and the pod's labels."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.selection import EVERYTHING, Requirement, Rule, Rules, rules_from
from kinwatch.errors import InputError
from kinwatch.snapshot import Replica, Workload

WEB = Workload(kind="Deployment", name="web-front", revision="7bdb")
REPLICA = Replica(namespace="shop-eu", pod="web-front-7bdb-x", container="app", container_id="c1")
LABELS = {"app": "web", "tier": "front"}

EXAMPLE = """
include:
  - namespace: shop-*
    workload: Deployment/web-*
  - namespace: kube-system
exclude:
  - selector:
      matchLabels: {tier: batch}
      matchExpressions:
        - {key: app, operator: In, values: [web, cart]}
        - {key: canary, operator: DoesNotExist}
  - container: istio-proxy
"""


def wants(
    text: str, *, replica: Replica = REPLICA, workload: Workload = WEB, labels: dict[str, str] | None = None
) -> bool:
    return rules_from(text, source="a test").wants(replica, workload, LABELS if labels is None else labels)


def test_example_is_read_as_it_is_meant() -> None:
    assert rules_from(EXAMPLE, source="a test") == Rules(
        include=(Rule(namespace="shop-*", workload="Deployment/web-*"), Rule(namespace="kube-system")),
        exclude=(
            Rule(
                requirements=(
                    Requirement(key="tier", operator="In", values=("batch",)),
                    Requirement(key="app", operator="In", values=("web", "cart")),
                    Requirement(key="canary", operator="DoesNotExist"),
                )
            ),
            Rule(container="istio-proxy"),
        ),
    )


@pytest.mark.parametrize("namespace", ["shop", "kube-system", "default"])
def test_without_rules_everything_is_watched(namespace: str) -> None:
    """kube-system as well: what runs there has the most to lose."""
    assert EVERYTHING.wants(Replica(namespace=namespace), Workload(kind="DaemonSet", name="kube-proxy"), {})


@pytest.mark.parametrize("text", ["", "# nothing but a remark", "{}", "include: []", "include:\nexclude:", "null"])
def test_file_without_rules_is_no_restriction(text: str) -> None:
    assert rules_from(text, source="a test") == EVERYTHING


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        ("namespace: shop-eu", True),
        ("namespace: shop-*", True),
        ("namespace: 'shop-??'", True),
        ("namespace: shop", False),
        ("namespace: SHOP-EU", False),
        ("workload: web-front", True),
        ("workload: web-*", True),
        ("workload: Deployment/web-front", True),
        ("workload: Deployment/*", True),
        ("workload: '*/web-front'", True),
        ("workload: StatefulSet/web-front", False),
        ("workload: deployment/web-front", False),
        ("workload: web", False),
        ("container: app", True),
        ("container: istio-*", False),
        ("selector: {matchLabels: {app: web}}", True),
        ("selector: {matchLabels: {app: web, tier: back}}", False),
        ("namespace: shop-*, container: app, workload: web-*, selector: {matchLabels: {app: web}}", True),
        ("namespace: shop-*, container: other", False),
    ],
)
def test_rule_matches_when_all_of_it_holds(rule: str, matches: bool) -> None:  # noqa: FBT001
    """Included by it alone is watched; excluded by it alone is not."""
    assert wants(f"include: [{{{rule}}}]") is matches
    assert wants(f"exclude: [{{{rule}}}]") is not matches


def test_one_of_several_includes_is_enough_and_one_exclude_too() -> None:
    assert wants("include: [{namespace: other}, {namespace: shop-eu}]")
    assert not wants("exclude: [{namespace: other}, {namespace: shop-eu}]")


def test_exclude_is_stronger_than_include() -> None:
    assert not wants("{include: [{namespace: shop-eu}], exclude: [{container: app}]}")


@pytest.mark.parametrize(
    ("expression", "with_batch", "with_front", "without"),
    [
        ("{key: tier, operator: In, values: [batch, cron]}", True, False, False),
        ("{key: tier, operator: NotIn, values: [batch, cron]}", False, True, True),
        ("{key: tier, operator: Exists}", True, True, False),
        ("{key: tier, operator: DoesNotExist}", False, False, True),
    ],
)
def test_requirements_are_those_of_kubernetes(
    *, expression: str, with_batch: bool, with_front: bool, without: bool
) -> None:
    """A pod without the label fulfils NotIn, as it does for `kubectl get --selector`."""
    text = f"include: [{{selector: {{matchExpressions: [{expression}]}}}}]"
    found = [wants(text, labels=labels) for labels in ({"tier": "batch"}, {"tier": "front"}, {})]
    assert found == [with_batch, with_front, without]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("include: [", "it is no YAML"),
        ("a: b: c", "it is no YAML"),
        ("since: 2026-13-45", "it is no YAML"),
        pytest.param("[" * 1000, "it is no YAML", id="1000 brackets"),
        ("--- {}\n--- {}", "it is no YAML"),
        ("\0", "it is no YAML"),
        ("!!python/object/apply:os.system [id]", "it is no YAML"),
        ("- namespace: shop", "the file is no map"),
        ("text", "the file is no map"),
        ("includes: []", "the file has includes, but only include, exclude are known"),
        ("include: shop", "include is no list"),
        ("include: {}", "include is no list"),
        ("include: ''", "include is no list"),
        ("exclude: false", "exclude is no list"),
        ("include: [shop]", r"include\[0\] is no map"),
        ("include: [{}]", r"include\[0\] is empty, and would match everything"),
        ("include: [{namespaces: shop}]", r"include\[0\] has namespaces, but only namespace, workload"),
        ("exclude: [{namespace: a}, {namespace: 2024}]", r"exclude\[1\].namespace is no text"),
        ("include: [{namespace: }]", r"include\[0\].namespace is no text"),
        ("include: [{workload: ''}]", r"include\[0\].workload is no text"),
        ("include: [{selector: app=web}]", r"include\[0\].selector is no map"),
        ("exclude: [{selector: {}}]", r"exclude\[0\].selector is empty, and would match everything"),
        ("exclude: [{selector: {matchLabels: {}}}]", r"exclude\[0\].selector is empty, and would match everything"),
        ("include: [{selector: {app: web}}]", r"include\[0\].selector has app, but only matchLabels"),
        ("include: [{selector: {matchLabels: [app]}}]", r"matchLabels is no map of text to text"),
        ("include: [{selector: {matchLabels: []}}]", r"matchLabels is no map of text to text"),
        ("include: [{selector: {matchLabels: {app: true}}}]", r"numbers and true want quotes"),
        ("include: [{selector: {matchExpressions: {key: a}}}]", r"matchExpressions is no list"),
        ("include: [{selector: {matchExpressions: [a]}}]", r"matchExpressions\[0\] is no map"),
        ("include: [{selector: {matchExpressions: [{key: a}]}}]", r"wants a key, and an operator out of In, NotIn"),
        ("include: [{selector: {matchExpressions: [{key: a, operator: Gt}]}}]", r"wants a key, and an operator out of"),
        ("include: [{selector: {matchExpressions: [{key: a, operator: [In]}]}}]", r"wants a key, and an operator"),
        ("include: [{selector: {matchExpressions: [{operator: Exists}]}}]", r"wants a key, and an operator out of"),
        ("include: [{selector: {matchExpressions: [{key: a, operator: In}]}}]", r"want a list of texts as values"),
        ("include: [{selector: {matchExpressions: [{key: a, operator: In, values: b}]}}]", r"want a list of texts"),
        ("include: [{selector: {matchExpressions: [{key: a, operator: In, values: [1]}]}}]", r"want a list of texts"),
        ("include: [{selector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}]", r"the others none"),
    ],
)
def test_what_can_not_be_used_is_refused_with_its_place(text: str, place: str) -> None:
    with pytest.raises(InputError, match=place) as refused:
        rules_from(text, source="/etc/kinwatch/selection.yaml")
    assert refused.value.problem.startswith("the selection in /etc/kinwatch/selection.yaml can't be used: ")
    assert "docs/identity.md" in refused.value.remedy


WORDS = "include exclude namespace workload container selector matchLabels matchExpressions key operator values x"
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS.split()), inner, min_size=1, max_size=4)
    ),
    max_leaves=12,
)


def rules_or_refused(text: str) -> Rules | InputError:
    try:
        return rules_from(text, source="a test")
    except InputError as error:
        return error


@given(TREES)
def test_whatever_a_file_holds_is_rules_or_refused(tree: object) -> None:
    found = rules_or_refused(json.dumps(tree))
    assert isinstance(found, InputError) or found.wants(REPLICA, WEB, LABELS) in {True, False}


@given(st.text())
def test_text_of_any_kind_is_rules_or_refused(text: str) -> None:
    assert rules_or_refused(text)
