"""
Take batches over HTTPS, store each once, and acknowledge what is stored: `aggregator serve`.

Flow: agent ship ══► **serve** -> store, judging. `start` wires: `listening`, `tls`, `connection` and `server` are the
network, `app` the paths, `batches` with `body` the way of one batch, `intake` the threads that decode and store.
"""
