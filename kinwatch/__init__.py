"""
What the agent and the aggregator both speak: aspects, snapshots, their text form, errors.

Flow: beside it. `agent` and `aggregator` import this package and never each other; this package imports neither.
"""
