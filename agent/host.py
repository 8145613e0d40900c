"""
Reach the runtimes of this node by the settings.

Flow: start -> **host** -> identity. The counterpart of `cluster`, where there is none.
"""

from __future__ import annotations

from collections.abc import Callable

from agent.cgroups import Hierarchy
from agent.identity import Local
from agent.local import Inventory, LocalNames, LocalSelection
from agent.roster import Selection
from agent.runtimes.inventory import Runtimes
from agent.runtimes.processes import cgroup_reader
from agent.selection_file import SelectionFile
from agent.settings import Settings


def local_of(settings: Settings, hierarchy: Hierarchy, own_root: Callable[[Selection], str | None]) -> Local:
    """The runtimes, as they tell names. Their state is read once, so that the containers that are there are found."""
    inventory = Inventory(Runtimes(cgroup_reader(hierarchy), root=settings.identity.host_root))
    inventory.refresh()
    selection, selection_file = LocalSelection(inventory), SelectionFile(settings.selection)
    names = LocalNames(inventory, rules=lambda: selection_file.rules, own_root=own_root(selection))
    return Local(inventory, names, selection, selection_file)
