"""``/docs`` in a real browser, which carries out the page's Content-Security-Policy."""

import re
from pathlib import Path

import pytest

from tests.conftest import require_tool, run


@pytest.fixture
def browse(tmp_path):
    """Open a page in Chromium; return its picture and what the browser complained of."""
    chromium = require_tool("chromium")

    def browse(url: str, picture: Path) -> str:
        result = run(
            chromium,
            "--headless",
            "--no-sandbox",  # the tests may run as root
            "--disable-gpu",
            "--disable-dev-shm-usage",
            f"--user-data-dir={tmp_path / 'browser'}",
            "--enable-logging=stderr",
            "--window-size=1000,1400",
            f"--screenshot={picture}",
            url,
            timeout=120,
        )
        assert result.returncode == 0, result.stderr
        return "\n".join(re.findall(r"CONSOLE.*", result.stderr))

    return browse


@pytest.mark.slow
def test_browser_shows_the_page_with_its_style_and_has_no_complaint(server, browse, tmp_path):
    complaints = browse(f"http://127.0.0.1:{server.port}/docs", tmp_path / "docs.png")

    assert complaints == ""
    assert (tmp_path / "docs.png").stat().st_size > 20_000


@pytest.mark.slow
def test_browser_complains_of_a_page_that_breaks_its_policy(browse, tmp_path):
    """The test above sees what the browser refuses."""
    page = tmp_path / "page.html"
    page.write_text(
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'\"><script>document.title = 1</script>"
    )

    assert "Content Security Policy" in browse(page.as_uri(), tmp_path / "page.png")
