"""Markdown becomes HTML that is safe and whose links lead somewhere: tables of cases, no files."""

from html.parser import HTMLParser

import pytest

from tracker.web.docs.markdown_rendering import Heading, render_line, render_text


class Elements(HTMLParser):
    """The elements that a browser would make, each with the names of its attributes."""

    def __init__(self):
        super().__init__()
        self.found = set()

    def handle_starttag(self, tag, attrs):
        self.found.add((tag, *(name for name, _ in attrs)))

    def handle_comment(self, data):
        self.found.add(("a comment", data))


def html_of(text, **targets):
    return str(render_text(text, targets.get).html)


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "text <img src=x onerror=alert(1)> text",
        "[a](javascript:alert(1))",
        "[a](data:text/html,x)",
        "[a](//evil.invalid/x)",
        "![a](https://evil.invalid/x.png)",
        "`<script>`",
        "```html\n<script>x</script>\n```",
        "    <script>",
        "# <style>x</style>",
        "<!-- begin keys -->",
    ],
)
def test_nothing_of_a_text_becomes_markup(hostile):
    """Raw HTML is text, a comment and an image are nothing, and a link to a script or beside the scheme is no link."""
    elements = Elements()
    elements.feed(html_of(hostile))
    assert elements.found <= {
        ("p",),
        ("pre", "class", "tabindex"),
        ("code",),
        ("h1", "id"),
        ("a", "class", "href", "aria-label"),
    }


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("[b](b.md)", '<a href="/docs/b">b</a>'),
        ("[b](b.md#a-part)", '<a href="/docs/b#a-part">b</a>'),
        ("[b](c.md)", "<p>b</p>"),
        ("[`b`](c.md) and [b](b.md)", '<p><code>b</code> and <a href="/docs/b">b</a></p>'),
        ("[b](#a-part)", '<a href="#a-part">b</a>'),
        ("[b](https://example.com/x)", '<a href="https://example.com/x" rel="noreferrer">b</a>'),
        ("<https://example.com/x>", '<a href="https://example.com/x" rel="noreferrer">https://example.com/x</a>'),
    ],
)
def test_links_lead_where_the_documentation_has_it(text, html):
    """A link to a file leads to its page, with the anchor; of a link to what is not there the words stay."""
    assert html in html_of(text, **{"b.md": "/docs/b"})


def test_headings_have_the_anchors_of_code_hosts():
    """Words in lower case with hyphens, without signs; a heading that stands twice is numbered, and links to itself."""
    rendered = render_text("# A title\n## `storage.listen_url`\n## Back up, restore\n## Back up, restore\n", {}.get)
    assert rendered.headings == (
        Heading(1, "a-title", "A title"),
        Heading(2, "storagelisten_url", "storage.listen_url"),
        Heading(2, "back-up-restore", "Back up, restore"),
        Heading(2, "back-up-restore-1", "Back up, restore"),
    )
    assert '<h2 id="back-up-restore-1">' in rendered.html
    assert 'href="#back-up-restore-1" aria-label="Link to: Back up, restore"' in rendered.html


def test_tables_and_code_can_be_scrolled_with_the_keyboard():
    """What may be wider than the page has a focus of its own; a column without a name has no header."""
    html = html_of("| a | |\n|---|---|\n| 1 | `2` |\n\n    code\n")
    assert '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>' in html
    assert "<th>a</th><td></td>" in html.replace("\n", "")
    assert '<pre class="code" tabindex="0"><code>code\n</code></pre>' in html


def test_a_line_has_no_paragraph():
    """A description is rendered in its line, and escaped."""
    assert render_line("a `b` <c>") == "a <code>b</code> &lt;c&gt;"
