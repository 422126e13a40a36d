"""Owns rendering Markdown to HTML that is safe under the pages' content security policy.

Raw HTML of a text is shown as it stands there. Comments are left out, and images, which lie outside the package. A heading
gets the anchor that a link of the repository's documents has for it.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup

Link = Callable[[str], str | None]
"""Where a relative link leads; None if it leads nowhere, so that only its text stays."""


class Heading(NamedTuple):
    """A heading of a text: its level from 1 on, its anchor and its words."""

    level: int
    anchor: str
    words: str


class RenderedText(NamedTuple):
    """A whole text as HTML, and its headings."""

    html: Markup
    headings: tuple[Heading, ...]


class _Renderer(RendererHTML):
    """Tables and code can be scrolled with the keyboard; an empty cell is no header."""

    def table_open(self, *_: Any) -> str:
        return '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>\n'

    def th_open(self, tokens: Sequence[Token], index: int, *_: Any) -> str:
        return "<th>" if tokens[index + 1].content else "<td>"

    def th_close(self, tokens: Sequence[Token], index: int, *_: Any) -> str:
        return "</th>" if tokens[index - 1].content else "</td>"

    def table_close(self, *_: Any) -> str:
        return "</table></div>\n"

    def html_block(self, tokens: Sequence[Token], index: int, *_: Any) -> str:
        text = tokens[index].content
        return "" if text.lstrip().startswith("<!--") else str(Markup.escape(text))

    def html_inline(self, tokens: Sequence[Token], index: int, *_: Any) -> str:
        return self.html_block(tokens, index)

    def image(self, *_: Any) -> str:
        return ""

    def fence(self, tokens: Sequence[Token], index: int, *_: Any) -> str:
        return f'<pre class="code" tabindex="0"><code>{Markup.escape(tokens[index].content)}</code></pre>\n'

    def code_block(self, tokens: Sequence[Token], index: int, *_: Any) -> str:
        return self.fence(tokens, index)

    def heading_close(self, tokens: Sequence[Token], index: int, *_: Any) -> str:
        opening, inline = tokens[index - 2], tokens[index - 1]
        anchor, words = Markup.escape(opening.attrGet("id")), Markup.escape(words_of(inline))
        return f' <a class="anchor" href="#{anchor}" aria-label="Link to: {words}">#</a></{tokens[index].tag}>\n'


_MARKDOWN: Final = MarkdownIt("commonmark", renderer_cls=_Renderer).enable("table")


def render_text(text: str, link: Link) -> RenderedText:
    """The text as HTML; `link` says where its relative links lead."""
    tokens = _MARKDOWN.parse(text)
    headings = tuple(_with_anchors(tokens))
    for token in tokens:
        if token.children:
            token.children = list(_linked(token.children, link))
    return RenderedText(Markup(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})), headings)  # noqa: S704 - of safe parts


def render_line(text: str) -> Markup:
    """One line of text, such as a description, as HTML without a paragraph around it."""
    return Markup(_MARKDOWN.renderInline(text))  # noqa: S704 - as above


def words_of(inline: Token) -> str:
    """The words of a heading or a paragraph, without their formatting."""
    return "".join(each.content for each in inline.children or () if each.type in ("text", "code_inline"))


def anchor_of(words: str) -> str:
    """The anchor of a heading, as code hosts make it."""
    return re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")


def _with_anchors(tokens: Sequence[Token]) -> Iterator[Heading]:
    """Give each heading its anchor; one that stands twice is numbered."""
    seen: Counter[str] = Counter()
    for opening, inline in pairwise(tokens):
        if opening.type != "heading_open":
            continue
        words = words_of(inline)
        anchor = anchor_of(words)
        times, seen[anchor] = seen[anchor], seen[anchor] + 1
        anchor = f"{anchor}-{times}" if times else anchor
        opening.attrSet("id", anchor)
        yield Heading(int(opening.tag[1:]), anchor, words)


def _linked(children: Sequence[Token], link: Link) -> Iterator[Token]:
    """The parts of a paragraph, each link leading where it leads here; of one that leads nowhere the text stays."""
    kept: list[bool] = []
    for token in children:
        if token.type == "link_open":
            target = _target(str(token.attrGet("href")), link)
            kept.append(target is not None)
            if target is None:
                continue
            token.attrSet("href", target)
            if urlsplit(target).scheme:
                token.attrSet("rel", "noreferrer")
        if token.type == "link_close" and not kept.pop():
            continue
        yield token


def _target(href: str, link: Link) -> str | None:
    parts = urlsplit(href)
    if parts.scheme or parts.netloc:
        return href if parts.scheme in ("http", "https", "mailto") else None
    if not parts.path:
        return href
    found = link(unquote(parts.path))
    return found and (f"{found}#{parts.fragment}" if parts.fragment else found)
