"""
Whose certificate the agent takes for the kubelet's.

Flow: CA file -> **kubelet_trust** -> kubelet_channel. Read anew for each connection, since a cluster's CA can change.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from agent.pods.kubelet_tls import no_authority


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """
    Trust in the certificates of a file and in no others; in any certificate where there is no file.

    Not ssl.create_default_context: from Python 3.13 on it is strict, and refuses the CAs of EKS, microk8s and others
    for extensions that they lack (urllib3 issue 3665). The name is not checked here, but by urllib3's assert_hostname,
    whose error tells the names that the certificate does carry. Raises KubeletError when the file can't be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.hostname_checks_common_name = False
    if ca_file is None:
        context.verify_mode = ssl.CERT_NONE
        return context
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the file may hold the kubelet's own certificate
    try:
        context.load_verify_locations(ca_file)
    except ssl.SSLError as error:
        raise no_authority(ca_file, "it holds no certificate that can be read") from error
    except OSError as error:
        raise no_authority(ca_file, error.strerror or str(error)) from error
    return context
