"""
Reach the cluster's API server, with the credentials of a pod or of a kubeconfig, and word what keeps it from answering.

Flow: **apiserver** -> agent pods (who runs on this node), aggregator auth (who speaks to us).
"""
