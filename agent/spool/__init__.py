"""
Keep batches on the node's disk until the aggregator has them.

Flow: naming -> encoded batch -> **spool** -> sender -> aggregator. One thread appends, another reads and acknowledges.
`layout` is the bytes of a segment, `segments` the files in their order, `ledger` the account of what was handed out,
`recovery` puts both together after a crash, `disk` is all that is ever written. docs/spool.md says what is promised.
"""

from agent.spool.spool import Spool
from agent.spool.values import Dropped, Reason, Record, SpoolLimits, SpoolState, Tally, Ticket

__all__ = ["Dropped", "Reason", "Record", "Spool", "SpoolLimits", "SpoolState", "Tally", "Ticket"]
