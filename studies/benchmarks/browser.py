"""Pages in a headless Chromium, with their console messages and requests."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, sync_playwright

PHONE, DESK = 390, 1400


@dataclass(frozen=True, kw_only=True)
class Visit:
    """An open page.

    Attributes:
        page: The page.
        errors: What it threw, and what it told the console as errors or warnings.
        requests: All that it asked for, by URL, what is part of the page itself left out.
    """

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


def chromium_path() -> str | None:
    """Where Chromium is, if it is installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextlib.contextmanager
def launch(path: str) -> Iterator[Browser]:
    """A headless Chromium of its own."""
    with sync_playwright() as playwright:
        # Tests may run as root and in containers with a small /dev/shm.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@contextlib.contextmanager
def visit(
    browser: Browser, url: str, *, width: int = DESK, scheme: Literal["light", "dark"] = "light"
) -> Iterator[Visit]:
    """Open a page in a new browser context."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, is_mobile=width < 600, has_touch=width < 600
    )
    seen = Visit(page=context.new_page())

    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            seen.errors.append(message.text)

    def on_error(error: Error) -> None:
        seen.errors.append(str(error))

    def on_request(request: Request) -> None:
        if request.url != url and not request.url.startswith(("data:", "blob:")):
            seen.requests.append(request.url)

    seen.page.on("console", on_console)
    seen.page.on("pageerror", on_error)
    seen.page.on("request", on_request)
    try:
        seen.page.goto(url)
        yield seen
    finally:
        context.close()
