"""Explanations as a page."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

from aie.app import explain_html
from aie.runs import Explanation

VOID = {"meta", "br", "rect", "hr"}
OPTIONAL_END = {"th", "td", "li", "tr", "tbody", "thead", "p"}


class Tags(HTMLParser):
    """Collects tags and refuses those that close what is not open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag not in VOID and tag not in OPTIONAL_END:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in OPTIONAL_END and tag not in VOID:
            assert self.open.pop() == tag


def test_the_page_is_whole_and_closes_what_it_opens(decided: Explanation):
    """A parser finds every element closed."""
    tags = Tags()
    tags.feed(explain_html(decided))
    assert tags.open == []
    assert not {"script", "link", "img", "iframe", "form", "object"} & tags.seen


def test_the_policy_allows_the_pages_own_style_and_nothing_else(decided: Explanation):
    """The hash in the policy is that of the style as it stands."""
    page = explain_html(decided)
    [style] = re.findall(r"<style>(.*?)</style>", page, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'" in page
    assert page.index("Content-Security-Policy") < page.index("<style>")
    assert "http://" not in page
    assert "https://" not in page
    assert not re.search(r"\sstyle=|\son[a-z]+=", page)


def test_what_people_wrote_cannot_become_markup(decided: Explanation):
    """Letters, reasons and names are escaped wherever they stand."""
    evil = '"><script>alert(1)</script>'
    [review] = decided.reviews
    story = replace(
        decided,
        case=evil,
        actor=evil,
        output={evil: evil},
        reviews=(replace(review, reason=evil, actor=evil),),
        sources=tuple(replace(source, text=evil + source.text, name=evil) for source in decided.sources),
    )
    page = explain_html(story)
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_evidence_is_marked_in_the_letter_and_what_was_left_out_too(decided: Explanation):
    """The reader sees the words in their place."""
    page = explain_html(decided)
    assert '<mark title="passages">The visitor wants 485.00 USD. NG-322419 is my policy.</mark>' in page
    assert '<span class=left-out title="left out by passages">Kind regards, I. Mercer</span>' in page
    assert "&lt;broke&gt; off &amp; fell" in page
