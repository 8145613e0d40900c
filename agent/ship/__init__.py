"""
Ship what came of each window to the aggregator: nothing lost, or else counted.

Flow: loop -> **ship** ══ aggregator. `packing` makes batches, `outbox` takes them from the loop and spools them in a
thread of its own, `sender` sends what waits in the spool in another, to the `aggregator`; `answer` is what came of it.
"""
