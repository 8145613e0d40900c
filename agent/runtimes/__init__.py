"""
Name the containers of this node without asking a cluster, from what their runtimes keep on its disk.

Flow: **runtimes** -> identity. `places` knows the folders, `containerd`, `docker`, `storage` (podman, CRI-O) and `runc`
read one runtime's state each, `inventory` brings it together with the cgroups of the processes.
"""
