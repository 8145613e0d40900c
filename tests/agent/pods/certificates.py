"""Certificates of every kind that a kubelet may show, made for a test."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

import trustme

DAY: Final = timedelta(days=1)


class Certificate(StrEnum):
    """What a kubelet shows of itself."""

    CLUSTER = "signed by the cluster's CA, with the node's name only"
    SELF_SIGNED = "the kubelet's default: signed by a CA of its own, which it brings along"
    OTHER_CA = "signed by a CA that nobody here knows"
    WRONG_NAME = "signed by the cluster's CA, for another node"
    EXPIRED = "signed by the cluster's CA, and over since yesterday"
    NOT_YET_VALID = "signed by the cluster's CA, and valid from tomorrow on"


class Authority:
    """The cluster's CA, and whatever it has to do with certificates."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cluster = trustme.CA()
        self.ca_file = folder / "ca.crt"
        self._cluster.cert_pem.write_to_path(self.ca_file)

    def context(self, kind: Certificate, *, node: str) -> ssl.SSLContext:
        """What a server needs to show a certificate of this kind."""
        now = datetime.now(UTC)
        if kind is Certificate.SELF_SIGNED:
            own = trustme.CA()
            return self._showing(own.issue_cert(node, common_name=f"{node}@1795341124"), brought=own)
        if kind is Certificate.OTHER_CA:
            return self._showing(trustme.CA().issue_cert(node))
        if kind is Certificate.WRONG_NAME:
            return self._showing(self._cluster.issue_cert("another-node"))
        if kind is Certificate.EXPIRED:
            return self._showing(self._cluster.issue_cert(node, not_before=now - 2 * DAY, not_after=now - DAY))
        if kind is Certificate.NOT_YET_VALID:
            return self._showing(self._cluster.issue_cert(node, not_before=now + DAY, not_after=now + 2 * DAY))
        return self._showing(self._cluster.issue_cert(node))

    def _showing(self, leaf: trustme.LeafCert, *, brought: trustme.CA | None = None) -> ssl.SSLContext:
        chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems) + (brought.cert_pem.bytes() if brought else b"")
        (self._folder / "kubelet.crt").write_bytes(chain)
        leaf.private_key_pem.write_to_path(self._folder / "kubelet.key")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._folder / "kubelet.crt", self._folder / "kubelet.key")
        return context
