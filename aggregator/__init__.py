"""
Judge what replicas did: which of a cohort stops behaving like its kin, and what sets it apart.

Flow: read -> cohort -> score -> judge -> show. Steps never import each other: `main` wires them, and they meet in the
values of `verdict` and `likeness`.
"""
