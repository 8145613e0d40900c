"""
Know the pods of this node: who they are, which workload they belong to, and which containers are theirs.

Flow: kubelet or API server -> **pods** -> name. It runs in a thread of its own; the capture never waits for it.
"""
