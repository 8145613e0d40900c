"""
Keep what nodes sent: in SQLite, or in PostgreSQL.

Flow: ingest -> **store** -> cohort. `store` is what others use, with `values` and `faults`; `sqlite` and `postgresql`
are the databases, `tables` and `migrations` what is in them.
"""
