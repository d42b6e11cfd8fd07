"""A real browser: the system's chromium, driven by Playwright."""

import os

import pytest
from playwright.sync_api import expect, sync_playwright

from support import require_program

# A busy machine is slow, not wrong.
expect.set_options(timeout=90_000)


# While it runs, Playwright keeps an event loop, which other tests must not meet.
@pytest.fixture(scope="module")
def chromium():
    program = require_program("chromium")
    with sync_playwright() as playwright:
        # As root, which CI is, chromium runs only without its sandbox.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


class Watched:
    """A page, with what went wrong in it and what it asked for."""

    def __init__(self, page):
        self.page = page
        self.errors, self.requests, self.failed = [], [], []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on(
            "console",
            lambda said: self.errors.append(said.text) if said.type == "error" else None,
        )
        page.on("request", lambda request: self.requests.append(request.url))
        # What the browser gave up by itself, leaving a page, did not fail.
        page.on(
            "requestfailed",
            lambda request: (
                None if request.failure == "net::ERR_ABORTED" else self.failed.append(request.url)
            ),
        )


@pytest.fixture
def watched(chromium):
    context = chromium.new_context(viewport={"width": 1280, "height": 860})
    yield Watched(context.new_page())
    context.close()
