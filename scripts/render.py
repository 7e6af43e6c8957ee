"""An executed notebook as one HTML page that makes no request."""

import re
from html.parser import HTMLParser
from pathlib import Path

from nbconvert import HTMLExporter

SCRIPTS = Path(__file__).resolve().parent
# Attributes a browser follows without being asked. A link's href is followed by a click only.
LOADING = {"src", "srcset", "poster", "data", "background", "xlink:href", "manifest"}
LOADING_HREF = {"link", "image", "use", "feimage", "base"}
CSS_REFERENCE = re.compile(r"""url\(\s*["']?([^"')]*)|@import\s+["']([^"']*)""", re.IGNORECASE)


def render_page(notebook, title):
    """The page as text. Pictures of Markdown cells are embedded; of several formats of an output a picture is shown."""
    exporter = HTMLExporter(
        template_name="page",
        extra_template_basedirs=[str(SCRIPTS)],
        embed_images=True,
        require_js_url="",
        mathjax_url="",
        mermaid_js_url="",
        jquery_url="",
    )
    page, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": title}})
    return page


def external_references(page):
    """What the page would load from elsewhere, as 'tag attribute: address'. Empty for a self-contained page."""
    scan = _ReferenceScan()
    scan.feed(page)
    scan.close()
    return scan.found


class _ReferenceScan(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []
        self.in_style = False

    def handle_starttag(self, tag, attrs):
        self.in_style = tag == "style"
        for name, value in attrs:
            value = value or ""
            if name in LOADING or (name == "href" and tag in LOADING_HREF):
                self._note(f"{tag} {name}", value)
            if name == "style":
                self._scan_css(f"{tag} style", value)
            if tag == "meta" and name == "content" and re.search(r"url\s*=", value, re.IGNORECASE):
                self.found.append(f"meta content: {value[:120]}")

    def handle_data(self, data):
        if self.in_style:
            self._scan_css("style", data)

    def handle_endtag(self, tag):
        self.in_style = False

    def _scan_css(self, where, css):
        for match in CSS_REFERENCE.finditer(css):
            self._note(where, match.group(1) or match.group(2) or "")

    def _note(self, where, address):
        address = address.strip()
        if address and not address.startswith(("data:", "#")):
            self.found.append(f"{where}: {address[:120]}")
