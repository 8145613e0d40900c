"""
A small web shop with a real hole: its search is open to command injection (CWE-78).

Flow: containers -> **shop** -> traffic. BusyBox httpd with two CGI scripts; its replicas are alike to the last byte.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

PORT = 8080
"""The same in each replica: each has a network namespace of its own."""
COMMAND = ("httpd", "-f", "-p", str(PORT), "-h", "/srv/www")

SEARCH = """\
#!/bin/sh
# DELIBERATELY VULNERABLE (CWE-78): what the visitor typed becomes a part of a shell command.
query=$(httpd -d "${QUERY_STRING#q=}")
echo "Content-Type: text/plain"
echo
sh -c "grep -i $query /srv/catalogue.txt | sort"
"""
ORDER = """\
#!/bin/sh
# Sound: what the visitor typed stays data.
order=$(head -c 200 | tr -cd 'a-z0-9=&')
echo "$(date) $order" >> /tmp/orders
echo "Content-Type: text/plain"
echo
echo "Thank you. Orders so far: $(wc -l < /tmp/orders)"
"""
CATALOGUE = """\
1001 oak chair 89.00
1002 beech chair 69.00
1003 oak table 249.00
1004 desk lamp 39.00
1005 floor lamp 59.00
1006 wool rug 129.00
"""
PAGES = {
    "index.html": "<title>Kin &amp; Co.</title><link rel=stylesheet href=/style.css><h1>Furniture</h1>\n",
    "style.css": "h1 { font-family: serif }\n",
    "about.html": "<title>About</title><p>Since 1911.\n",
}


def add_shop(rootfs: Path) -> None:
    """Put the shop into a root file system."""
    scripts = rootfs / "srv/www/cgi-bin"
    scripts.mkdir(parents=True)
    for name, script in {"search": SEARCH, "order": ORDER}.items():
        (scripts / name).write_text(script)
        (scripts / name).chmod(0o755)
    for name, page in PAGES.items():
        (rootfs / "srv/www" / name).write_text(page)
    (rootfs / "srv/catalogue.txt").write_text(CATALOGUE)


def search_path(query: str) -> str:
    """The path and query by which a visitor searches the catalogue."""
    return f"/cgi-bin/search?q={quote(query, safe='')}"
