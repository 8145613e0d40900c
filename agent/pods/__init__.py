"""
Know the pods of this node: who they are, which workload they belong to, and which containers are theirs.

Flow: kubelet or API server -> **pods** -> name. Runs in a thread of its own beside the capture, which never waits for it.
"""
