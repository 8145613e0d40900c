"""
Measure what Kinwatch costs and whether it is complete, on this machine, against the bars that the project set itself.

Flow: around it. Each `make bench-…` target is one module here; not part of what is installed.
"""
