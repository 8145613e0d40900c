"""
Decide who may send batches, for which node, and who may read.

Flow: **auth** -> ingest, API. `values` is what others use, with `refused` and `refusals`. The ways to be known:
`token_review` and `access_review` ask the API server, `static_tokens` reads a file, `certificates` reads what TLS
verified, `unguarded` lets everybody in; `chain` takes several of them.
"""
