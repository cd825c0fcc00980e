"""axe-core in a page: what it finds wrong for people who cannot see, or use no mouse.

axe looks into open shadow roots, where BokehJS draws. It runs in the page from the file of an
installed package, so nothing is loaded from outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from playwright.sync_api import Page

#: Impacts that must not be found; axe's others are "moderate" and "minor".
GRAVE = ("serious", "critical")
_RUN = """async ({scope}) => {
  const {violations} = await axe.run({include: scope}, {resultTypes: ["violations"]})
  return violations.map(({id, impact, help, nodes}) => ({
    id,
    impact: impact ?? "minor",
    help,
    nodes: nodes.map((node) => ({
      where: node.target.flat().join(" "),
      html: node.html,
      why: node.failureSummary,
    })),
  }))
}"""


@dataclass(frozen=True)
class Finding:
    """One element that breaks one rule."""

    rule: str
    impact: str
    help: str
    where: str
    html: str
    why: str

    @property
    def text(self) -> str:
        """It in words, with what to mend."""
        why = "\n    ".join(self.why.splitlines()[1:]).strip()
        return f"{self.rule} ({self.impact}): {self.help}\n  {self.where}\n  {self.html}\n    {why}"


@cache
def _axe() -> str:
    spec = find_spec("axe_playwright_python")
    assert spec is not None
    assert spec.origin is not None
    return (Path(spec.origin).parent / "axe.min.js").read_text(encoding="utf-8")


def findings(page: Page, scope: str) -> list[Finding]:
    """Everything axe finds in the elements that a selector names.

    It cannot judge what is painted on a canvas, so Bokeh's drawings are no part of it.

    Raises
    ------
    AssertionError
        If the selector names nothing: a check that sees nothing must not pass.
    """
    assert page.locator(scope).count() > 0, f"nothing on the page is {scope}"
    page.evaluate(_axe())  # as the debugger does it: a page's content policy does not mind
    return [
        Finding(rule["id"], rule["impact"], rule["help"], **node)
        for rule in page.evaluate(_RUN, {"scope": [scope]})
        for node in rule["nodes"]
    ]


def grave(page: Page, scope: str) -> list[str]:
    """The findings that are serious or critical, in words."""
    return [finding.text for finding in findings(page, scope) if finding.impact in GRAVE]


def check(page: Page, scope: str) -> None:
    """Fail the test if anything serious or critical is found."""
    found = grave(page, scope)
    if found:
        pytest.fail("\n".join([f"{len(found)} grave findings in {scope}", *found]), pytrace=False)
