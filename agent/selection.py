"""
Which replicas are watched: rules over namespaces, workloads, containers and labels, from a file that may change.

Flow: selection file -> **selection** -> names. Without a file everything is watched, kube-system included.

    include:                                  # none: everything
      - namespace: shop-*
        workload: Deployment/web              # KIND/NAME or NAME; * and ? match
    exclude:                                  # stronger than include
      - selector: {matchLabels: {tier: batch}}
      - namespace: ci
        container: runner
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

import yaml

from kinwatch.errors import InputError
from kinwatch.snapshot import Replica, Workload

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C where PyYAML was built with it: it is read beside the capture."""
_FIELDS: Final = ("namespace", "workload", "container", "selector")
_OPERATORS: Final = ("In", "NotIn", "Exists", "DoesNotExist")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One requirement on the pod's labels (k8s.io/apimachinery, LabelSelectorRequirement)."""

    key: str
    operator: str
    """`In`, `NotIn`, `Exists` or `DoesNotExist`."""
    values: tuple[str, ...] = ()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether a pod with these labels fulfils it; one without the label fulfils NotIn."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case _:
                return self.key not in labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a replica must be to match; all that is given must hold."""

    namespace: str = "*"
    workload: str = "*"
    container: str = "*"
    requirements: tuple[Requirement, ...] = ()

    def matches(self, replica: Replica, workload: Workload, labels: Mapping[str, str]) -> bool:
        """Whether a replica is meant."""
        name = workload.name or ""
        return (
            fnmatchcase(replica.namespace or "", self.namespace)
            and fnmatchcase(f"{workload.kind}/{name}" if "/" in self.workload else name, self.workload)
            and fnmatchcase(replica.container or "", self.container)
            and all(requirement.holds(labels) for requirement in self.requirements)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Which replicas are watched."""

    include: tuple[Rule, ...] = ()
    """None: every replica."""
    exclude: tuple[Rule, ...] = ()

    def wants(self, replica: Replica, workload: Workload, labels: Mapping[str, str]) -> bool:
        """Whether a replica is watched: one of include matches, or there is none, and none of exclude does."""
        included = not self.include or any(rule.matches(replica, workload, labels) for rule in self.include)
        return included and not any(rule.matches(replica, workload, labels) for rule in self.exclude)


EVERYTHING: Final = Rules()


def rules_from(text: str, *, source: str) -> Rules:
    """The rules in the text of a selection file (YAML or JSON); raises InputError with the place that is wrong."""
    try:
        document = yaml.load(text, Loader=_LOADER)  # noqa: S506 - both loaders are safe
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a 13th month, thousands of brackets
        raise _refused(source, f"it is no YAML: {error}") from error
    document = {} if document is None else document
    _require_fields(document, ("include", "exclude"), where="the file", source=source)
    return Rules(
        include=_rules(document, "include", source=source),
        exclude=_rules(document, "exclude", source=source),
    )


def _rules(document: Mapping[str, Any], key: str, *, source: str) -> tuple[Rule, ...]:
    rules = _given(document, key, [])
    if not isinstance(rules, list):
        raise _refused(source, f"{key} is no list")
    return tuple(_rule(rule, where=f"{key}[{index}]", source=source) for index, rule in enumerate(rules))


def _rule(document: Any, *, where: str, source: str) -> Rule:
    _require_fields(document, _FIELDS, where=where, source=source)
    if not document:
        raise _refused(source, f"{where} is empty, and would match everything")
    globs = {field: document[field] for field in _FIELDS[:3] if field in document}
    for field, glob in globs.items():
        if not isinstance(glob, str) or not glob:
            raise _refused(source, f"{where}.{field} is no text")
    if "selector" not in document:
        return Rule(**globs)
    requirements = _requirements(document["selector"], where=f"{where}.selector", source=source)
    return Rule(**globs, requirements=requirements)


def _requirements(selector: Any, *, where: str, source: str) -> tuple[Requirement, ...]:
    _require_fields(selector, ("matchLabels", "matchExpressions"), where=where, source=source)
    labels = _given(selector, "matchLabels", {})
    if not isinstance(labels, dict) or not all(isinstance(part, str) for pair in labels.items() for part in pair):
        raise _refused(source, f"{where}.matchLabels is no map of text to text (numbers and true want quotes)")
    expressions = _given(selector, "matchExpressions", [])
    if not isinstance(expressions, list):
        raise _refused(source, f"{where}.matchExpressions is no list")
    if not labels and not expressions:
        raise _refused(source, f"{where} is empty, and would match everything")
    return (
        *(Requirement(key=key, operator="In", values=(value,)) for key, value in labels.items()),
        *(
            _requirement(expression, where=f"{where}.matchExpressions[{index}]", source=source)
            for index, expression in enumerate(expressions)
        ),
    )


def _requirement(document: Any, *, where: str, source: str) -> Requirement:
    _require_fields(document, ("key", "operator", "values"), where=where, source=source)
    key, operator, values = document.get("key"), document.get("operator"), _given(document, "values", [])
    if not isinstance(key, str) or operator not in _OPERATORS:
        raise _refused(source, f"{where} wants a key, and an operator out of {', '.join(_OPERATORS)}")
    if not _is_texts(values) or bool(values) != (operator in {"In", "NotIn"}):
        raise _refused(source, f"{where}: In and NotIn want a list of texts as values, the others none")
    return Requirement(key=key, operator=operator, values=tuple(values))


def _given(document: Mapping[str, Any], key: str, default: Any) -> Any:
    """What is given; the default where it is left out or left empty, which YAML reads as null."""
    value = document.get(key)
    return default if value is None else value


def _is_texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def _require_fields(document: Any, known: Sequence[str], *, where: str, source: str) -> None:
    if not isinstance(document, dict):
        raise _refused(source, f"{where} is no map")
    unknown = [str(key) for key in document if key not in known]
    if unknown:
        raise _refused(source, f"{where} has {', '.join(unknown)}, but only {', '.join(known)} are known")


def _refused(source: str, problem: str) -> InputError:
    return InputError(f"the selection in {source} can't be used: {problem}", remedy="see docs/identity.md, Selection")
