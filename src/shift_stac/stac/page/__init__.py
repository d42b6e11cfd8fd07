"""A page for people: a map and a list of the flight lines, in one file without requests to other hosts.

It works from a folder, a web server or a bucket: style, scripts, outlines, coast and places are in
the file; pictures and links are relative. Spectra and pictures on the map are read from the
archive, which browsers allow only over http.
"""

from shift_stac.stac.page.rendering import (
    page_path,
    render_entrance,
    render_page,
)

__all__ = ["page_path", "render_entrance", "render_page"]
