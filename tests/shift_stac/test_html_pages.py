import json
from html.parser import HTMLParser

import pytest
from jinja2 import UndefinedError

from shift_stac.html_pages import render_html
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.page import render_entrance

HOSTILE = "</script><script>alert(1)</script> & \"quoted\" 'x' {{ title }} </style>"


class Reader(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.texts = [], [], []
        self.feed(page.decode())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [value for _, value in attrs]

    def handle_data(self, data):
        self.texts.append(data)


PAGE = "shift_stac.stac.page"


def values(text):
    names = (
        "title",
        "description",
        "citation",
        "doi",
        "collection",
        "items",
        "style",
        "script",
        "reader",
    )
    return dict.fromkeys(names, text) | {"campaign": {"lines": [{"id": text}]}}


def test_no_text_becomes_markup():
    plain = Reader(render_html(PAGE, "page.html", **values("x")))
    page = Reader(render_html(PAGE, "page.html", **values(HOSTILE)))
    assert page.tags == plain.tags
    assert page.texts.count(HOSTILE) == 4
    assert page.attributes.count(HOSTILE) == 4
    data = next(text for text in page.texts if text.startswith("{"))
    assert json.loads(data) == {"lines": [{"id": HOSTILE}]}
    entrance = Reader(
        render_entrance(
            {
                "id": "c",
                "title": HOSTILE,
                "links": [
                    {"rel": "child", "href": f"./{name}/collection.json", "title": HOSTILE}
                    for name in ("a", 'b"><script>')
                ],
            },
            Hrefs("archive"),
        )
    )
    assert entrance.texts.count(HOSTILE) == 4
    assert 'b"><script>/index.html' in entrance.attributes
    assert "script" not in entrance.tags


def test_a_text_that_is_missing_is_an_error():
    given = values("x")
    del given["doi"]
    with pytest.raises(UndefinedError, match="doi"):
        render_html(PAGE, "page.html", **given)
