"""A page for people: a map and a list of the flight lines, in one file that asks nobody outside.

It works from a folder, by double click, as from a web server or a bucket: style, scripts, outlines, coast and
places are within; pictures and links are relative. Spectra and pictures on the map are read from the
archive itself, which a browser does over http alone.
"""

from shift_stac.stac.page.rendering import (
    page_path,
    render_entrance,
    render_page,
)

__all__ = ["page_path", "render_entrance", "render_page"]
