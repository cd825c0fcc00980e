"""The panel of numbers of clusters as a widget."""

from __future__ import annotations

import json

import numpy as np

import modviz
from modviz.core.choice import ClusterChoice


def test_the_panel_is_a_pane_that_sends_its_document(sent) -> None:
    choice = ClusterChoice(
        candidates=np.array([3, 4]),
        eigengap=np.array([0.01, 0.5]),
        ncut=np.array([1.0, 1.0]),
        stability=np.array([1.0, 1.0]),
        null_eigengap=np.full((19, 2), 0.02),
        null_ncut=np.linspace(2, 3, 38).reshape(19, 2),
    )
    pane = modviz.plot_choice(choice)
    assert pane.root == "choice"
    assert pane.announcement == repr(choice)
    pane.document._receive(None, {"kind": "open", "client": "a"}, None)
    (message, _) = sent[-1]
    assert message["kind"] == "document"
    roots = json.loads(message["json"])["roots"]
    assert [root["attributes"]["name"] for root in roots] == ["choice"]
    assert "4 suggested" in message["json"]
