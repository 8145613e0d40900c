"""
Find the workload that a pod belongs to, and its revision: most often from the pod alone, else by asking for one owner.

Flow: pod -> **workload** -> directory. Pure but for the question, which is handed in.

The root is the controller that holds the pod's template, since that is what makes pods kin: a Deployment, a
StatefulSet, a DaemonSet, a CronJob or a Job, an Argo Rollout, or whatever other controller owns the pod. What may stand
above it (an operator's resource that owns five Deployments) is not asked for: its pods are not alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from agent.pods.pod import OPENSHIFT_CONFIG, Owner, Pod
from kinwatch.snapshot import Workload

TEMPLATE_HASH: Final = "pod-template-hash"
"""Label that a Deployment puts on its ReplicaSets and their pods; the ReplicaSet is named <deployment>-<hash>."""
ROLLOUT_HASH: Final = "rollouts-pod-template-hash"
"""The same, of an Argo Rollout."""
REVISION_HASH: Final = "controller-revision-hash"
"""Label that StatefulSets and DaemonSets put on their pods."""
_HASH_OWNERS: Final = {TEMPLATE_HASH: "Deployment", ROLLOUT_HASH: "Rollout"}
_REVISIONS: Final = (TEMPLATE_HASH, ROLLOUT_HASH, REVISION_HASH)

_SCHEDULED: Final = re.compile(r"(?P<cronjob>.+)-(?P<minutes>[0-9]{8})")
"""Name of a Job that a CronJob made: the minute for which it was scheduled, since the epoch
(kubernetes/pkg/controller/cronjob/utils.go, getJobName). It has eight digits from 1989 to 2160."""
_SCHEDULE_SLACK: Final = timedelta(hours=1)
"""By how much a pod may be younger than that minute for the number to be taken for one."""

OwnerOf = Callable[[Owner, str], Owner | None]
"""Owner of an object in a namespace, or None if it has none or it can't be told."""


def workload_of(pod: Pod, owner_of: OwnerOf) -> Workload:
    """
    The workload and the revision that a pod belongs to.

    `owner_of` is asked only for a ReplicaSet or a Job whose own owner the pod does not betray; what it raises passes
    through. A bare pod is a workload by itself, a static pod one by its name without the node's.
    """
    if pod.static:
        return Workload(kind="StaticPod", name=pod.name.removesuffix(f"-{pod.node}"))
    if pod.owner is None:
        return Workload(kind="Pod", name=pod.name)
    root, revision = _root(pod, pod.owner, owner_of)
    return Workload(kind=root.kind, name=root.name, revision=revision or _revision(pod.labels))


def _root(pod: Pod, owner: Owner, owner_of: OwnerOf) -> tuple[Owner, str | None]:
    """The root, and the revision where the labels don't tell it."""
    if owner.kind == "ReplicaSet":
        known = _owner_by_hash(pod.labels, owner)
        return known or owner_of(owner, pod.namespace) or owner, None
    if owner.kind == "Job":
        return _cronjob(owner, pod.created) or owner_of(owner, pod.namespace) or owner, None
    if owner.kind == "ReplicationController" and (config := pod.annotations.get(OPENSHIFT_CONFIG)):
        return Owner(api_version="apps.openshift.io/v1", kind="DeploymentConfig", name=config), owner.name
    return owner, None


def _owner_by_hash(labels: Mapping[str, str], replica_set: Owner) -> Owner | None:
    for label, kind in _HASH_OWNERS.items():
        suffix = f"-{labels[label]}" if label in labels else None
        if suffix and replica_set.name.endswith(suffix) and replica_set.name != suffix:
            return Owner(api_version=replica_set.api_version, kind=kind, name=replica_set.name.removesuffix(suffix))
    return None


def _cronjob(job: Owner, created: datetime | None) -> Owner | None:
    """The CronJob that made a job, if the number in the job's name is the minute in which its pod was to start."""
    named = _SCHEDULED.fullmatch(job.name)
    if named is None or created is None:
        return None
    scheduled = datetime.fromtimestamp(0, tz=UTC) + timedelta(minutes=int(named["minutes"]))
    if not timedelta(0) <= created - scheduled <= _SCHEDULE_SLACK:
        return None
    return Owner(api_version=job.api_version, kind="CronJob", name=named["cronjob"])


def _revision(labels: Mapping[str, str]) -> str | None:
    return next((labels[label] for label in _REVISIONS if label in labels), None)


def workload_by_labels(pod_name: str, labels: Mapping[str, str]) -> Workload:
    """
    The workload of a pod of which only name and labels are known, as a runtime knows it; empty where they don't tell.

    The pods of a Deployment are named <deployment>-<hash>-<random>, those of a StatefulSet <statefulset>-<number>, and
    its revisions <statefulset>-<hash>.
    """
    for label, kind in _HASH_OWNERS.items():
        name, _, _ = pod_name.rpartition(f"-{labels[label]}-") if label in labels else ("", "", "")
        if name:
            return Workload(kind=kind, name=name, revision=labels[label])
    revision = labels.get(REVISION_HASH, "")
    name, _, number = pod_name.rpartition("-")
    if name and number.isdecimal() and revision.startswith(f"{name}-"):
        return Workload(kind="StatefulSet", name=name, revision=revision)
    return Workload()
