"""Parses directory listings of web servers: pages of links in HTML, JSON or XML.

Apache's mod_autoindex (plain, fancy and table) and nginx's autoindex differ in everything but
the links. The text beside a link (dates and sizes, in various zones and units) is kept unchanged,
only to compare it: an equal text means an unchanged file.
"""

import json
import re
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from typing import override
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from shift_stac.errors import PortalError

# Characters of names in a portal's folders. Other names are never requested, above all those with a
# slash in any spelling, a leading dot or a control character.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*", re.ASCII)

# A script that is called with one text.
_CALL = re.compile(r"""\(\s*(['"])([^'"]+)\1\s*\)""")
# The number of characters in which an XML document names its type.
_BEGINNING = 500

# The sort order of a listing, which some servers add to its links.
_ORDER = re.compile(r"(C=[NMSD][;&]O=[AD])?")


_PORTS = {"http": 80, "https": 443}
_SLASHES = re.compile(r"/{2,}")
# Java servers add a session to links of readers without cookies.
_SESSION = re.compile(r";jsessionid=[^/]*$", re.IGNORECASE)


@dataclass(frozen=True, order=True, slots=True)
class Entry:
    """A file or folder of a listing, by its bare name."""

    name: str
    is_folder: bool
    note: str = field(default="", compare=False)
    """The text of the listing about it, unchanged; empty if there is none."""


class _Rows(HTMLParser):
    """Collects the links of a page, each with the text between it and the next."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[str, list[str]]] = []
        # What the links of the page are relative to, if it is not the page.
        self._base = ""
        # True between the end of a link and the end of its row.
        self._beside_link = False

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        targets = [value.strip() for key, value in attrs if key == "href" and value]
        if tag == "base" and targets:
            self._base = targets[0]
        elif tag == "a":
            self.rows += [(self._joined(target), []) for target in targets]
        elif tag == "tr":
            # Some pages have no links, but scripts that are called with the name.
            calls = [_CALL.search(value) for key, value in attrs if key == "onclick" and value]
            self.rows += [(call[2], []) for call in calls if call]
        if tag in {"a", "hr", "address"}:
            self._beside_link = False

    def _joined(self, target: str) -> str:
        try:
            return urljoin(self._base, target)
        except ValueError:
            return target

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._beside_link = True
        elif tag in {"tr", "pre", "li", "table", "ul"}:
            self._beside_link = False

    @override
    def handle_data(self, data: str) -> None:
        if self.rows and self._beside_link:
            self.rows[-1][1].extend(data.split())


def parse_listing(page: str, url: str) -> list[Entry]:
    """Read the entries of a directory listing, sorted.

    Links that leave the directory are ignored: to its parent, to other hosts, to sort orders of the
    listing, and names with an encoded slash.

    Parameters
    ----------
    page
        A page of HTML, nginx's listing as JSON, or a bucket's as XML.
    url
        The directory's own address, which ends in a slash.

    Raises
    ------
    PortalError
        The page has only a part of the listing.
    """
    entries: dict[Entry, Entry] = {}
    for target, note in _links(page):
        entry = _entry(target, url, note)
        # An icon may be a second link: the text is after one of the two.
        if entry is not None and not (entry in entries and entries[entry].note):
            entries[entry] = entry
    return sorted(entries.values())


def foreign_host(page: str, url: str) -> str | None:
    """Return the host that a page's links to entries lead to, if it is another host."""
    directory = urlsplit(url)
    for target, note in _links(page):
        try:
            link = urlsplit(urljoin(url, target))
        except ValueError:
            continue
        here = link._replace(scheme=directory.scheme, netloc=directory.netloc).geturl()
        if _entry(here, url, note) is not None:
            return f"{link.scheme}://{link.netloc}"
    return None


def _links(page: str) -> list[tuple[str, str]]:
    """A listing's links, each with what the listing says beside it."""
    if page.lstrip().startswith("["):
        return _links_of_json(page)
    if "<ListBucketResult" in page[:_BEGINNING]:
        return _links_of_bucket(page)
    rows = _Rows()
    try:
        rows.feed(page)
        rows.close()
    except AssertionError as error:  # html.parser's own, of a declaration that does not end
        msg = f"the listing is broken HTML ({error}): open it in a browser"
        raise PortalError(msg) from error
    return [(target, " ".join(words)) for target, words in rows.rows]


def _links_of_json(page: str) -> list[tuple[str, str]]:
    """Return the entries of nginx's ``autoindex_format json``: objects with name, type, mtime and size."""
    try:
        found = json.loads(page)
    except (ValueError, RecursionError):
        return []
    return [
        (
            # Half a character cannot be quoted. It is replaced, since no file has such a name.
            quote(str(entry["name"]), errors="replace") + "/" * (entry.get("type") == "directory"),
            " ".join(str(entry[key]) for key in ("mtime", "size") if key in entry),
        )
        for entry in found
        if isinstance(entry, dict) and "name" in entry
    ]


def _links_of_bucket(page: str) -> list[tuple[str, str]]:
    """Return the entries of an S3 server's ListBucketResult; a common prefix is a folder."""
    if _element(page, "IsTruncated").lower() == "true":
        msg = "the bucket lists only a part of its objects: give a folder of a mirror, or another address"
        raise PortalError(msg)
    prefix = _element(page, "Prefix")
    links = []
    for kind, content in re.findall(r"<(Contents|CommonPrefixes)>(.*?)</\1>", page, re.DOTALL):
        name = _element(content, "Key" if kind == "Contents" else "Prefix").removeprefix(prefix)
        note = " ".join(_element(content, key) for key in ("LastModified", "ETag", "Size"))
        links.append((quote(name), note.strip()))
    return links


def _element(text: str, name: str) -> str:
    """The content of the first XML element of a name; empty where there is none."""
    found = re.search(rf"<{name}>(.*?)</{name}>", text, re.DOTALL)
    return unescape(found[1]) if found else ""


def _entry(target: str, url: str, note: str) -> Entry | None:
    try:
        absolute = urlsplit(urljoin(url, target))
    except ValueError:
        return None
    directory = urlsplit(url)
    if absolute.fragment or not _ORDER.fullmatch(absolute.query):
        return None
    if _host(absolute) is None or _host(absolute) != _host(directory):
        return None
    # Servers escape the same path in different ways.
    here, there = (_SLASHES.sub("/", unquote(link.path)) for link in (directory, absolute))
    there = _SESSION.sub("", there)
    if not there.startswith(here):
        return None
    rest = there[len(here) :]
    is_folder = rest.endswith("/")
    name = rest.removesuffix("/")
    return Entry(name, is_folder, note) if is_safe_name(name) else None


def _host(link: SplitResult) -> tuple[str, str | None, int | None] | None:
    """Return scheme, host and port, without a scheme's own port; None if the port is not a number."""
    try:
        port = link.port
    except ValueError:
        return None
    return link.scheme, link.hostname, None if port == _PORTS.get(link.scheme) else port


def is_safe_name(name: str) -> bool:
    """Whether a name stays in its folder, and has only characters that portals use."""
    return _NAME.fullmatch(name) is not None
