"""How to cite modviz, and what has changed: the files agree with the package."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import modviz

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def citation() -> dict[str, Any]:
    """CITATION.cff."""
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def test_the_citation_has_what_its_format_asks_for(citation):
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    for entry in (citation, *citation["references"]):
        assert entry["title"]
        assert entry["authors"]
        for author in entry["authors"]:
            assert set(author) in ({"name"}, {"family-names", "given-names"})
    assert all(reference["type"] == "article" for reference in citation["references"])


def test_the_citation_is_of_this_version(citation):
    assert citation["version"] == modviz.__version__
    assert citation["license"] == "MIT"


def test_the_method_is_cited_with_all_its_authors(citation):
    method = citation["references"][0]
    assert method["identifiers"][0]["value"] == "arXiv:2110.08058"
    names = [author["family-names"] for author in method["authors"]]
    assert names == ["Hod", "Casper", "Filan", "Wild", "Critch", "Russell"]
    # as the page on the method has them
    words = (ROOT / "docs/method.md").read_text(encoding="utf-8")
    assert f"{', '.join(names)}: *{method['title']}*" in words


def test_the_changelog_has_this_version_or_one_that_is_coming():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", changelog, re.MULTILINE)
    assert headings
    newest, date = headings[0]
    if newest == "Unreleased":
        assert modviz.__version__ in changelog.split("\n## ")[1]
    else:
        assert newest == modviz.__version__
        assert date


@pytest.mark.parametrize(
    "page",
    sorted(
        path.relative_to(ROOT).as_posix()
        for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("binder/*.md")]
    ),
)
def test_links_between_pages_lead_somewhere(page):
    path = ROOT / page
    words = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", words):
        if not target.startswith(("http://", "https://", "#")):
            assert (path.parent / target.partition("#")[0]).exists(), target
