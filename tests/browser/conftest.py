"""A real browser: the system's chromium, driven by Playwright."""

import os

import pytest
from playwright.sync_api import expect, sync_playwright

from support import require_program

# A long limit, because a busy machine is slow.
expect.set_options(timeout=90_000)


# While Playwright runs, it keeps an event loop, which would disturb other tests.
@pytest.fixture(scope="module")
def chromium():
    program = require_program("chromium")
    with sync_playwright() as playwright:
        # For root, as in CI, chromium runs only without its sandbox.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


class Watched:
    """A page of the browser. It records the errors and the requests of the page."""

    def __init__(self, page):
        self.page = page
        self.errors, self.requests, self.failed = [], [], []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on(
            "console",
            lambda said: self.errors.append(said.text) if said.type == "error" else None,
        )
        page.on("request", lambda request: self.requests.append(request.url))
        # Requests that the browser cancelled when it left a page are not failures.
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
