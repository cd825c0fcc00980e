"""What `modviz demo --serve` prepares, and what it refuses; the page itself is a browser's test."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest
import torch

from modviz import examples
from modviz.commands import serve
from modviz.commands.demo import NETWORK, SHAPE, Choices

FAST = Choices(seed=3, epochs=1, clusters=4, controls=7)


@pytest.fixture
def untrained(monkeypatch):
    """No training: a test that needs none must not come to it."""
    monkeypatch.setattr(serve, "trained", lambda choices: pytest.fail("it trained a network"))


def test_without_voila_it_says_what_to_install(untrained, monkeypatch, capsys):
    monkeypatch.setattr(serve, "find_spec", lambda name: None if name == "voila" else object())
    assert serve.serve(FAST) == 1
    said = capsys.readouterr().err
    assert "needs voila, which is not installed" in said
    assert "modviz-nn[serve,torch]" in said


def test_a_port_that_is_taken_is_refused_at_once(untrained, capsys):
    with socket.socket() as other:
        other.bind((serve.HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        assert serve.serve(FAST, port=port, browser=False) == 1
    assert f"cannot listen on port {port} of 127.0.0.1" in capsys.readouterr().err


def test_the_folder_holds_network_notebook_kernel_and_template(tmp_path, monkeypatch):
    here = tmp_path / "it's here"
    here.mkdir()
    monkeypatch.chdir(here)
    notebook = serve.write(tmp_path, FAST)
    read = json.loads(notebook.read_text(encoding="utf-8"))
    assert read["nbformat"] == 4
    (cell,) = read["cells"]
    code = cell["source"]
    compile(code, "cell", "exec")
    for said in (f"os.chdir({str(here)!r})", "n_clusters=4", "n_controls=7", "seed=3"):
        assert said in code

    name = read["metadata"]["kernelspec"]["name"]
    kernel = json.loads((tmp_path / "kernels" / name / "kernel.json").read_text())
    assert kernel["argv"][:3] == [sys.executable, "-m", "ipykernel_launcher"]

    page = (tmp_path / "voila" / "templates" / "modviz" / "index.html.j2").read_text()
    assert "http" not in page

    train, _ = examples.digits()
    again = examples.mlp(SHAPE, **NETWORK, seed=3)
    examples.train(again, train, epochs=1, seed=3, progress=False)
    weights = torch.load(tmp_path / "weights.pt", weights_only=True)
    assert weights.keys() == again.state_dict().keys()
    for key, values in again.state_dict().items():
        torch.testing.assert_close(weights[key], values)


@pytest.mark.parametrize("before", [None, "/somewhere"])
def test_jupyter_looks_into_the_folder_only_while_it_is_served(monkeypatch, before):
    if before is None:
        monkeypatch.delenv("JUPYTER_PATH", raising=False)
    else:
        monkeypatch.setenv("JUPYTER_PATH", before)

    def interrupted() -> None:
        with serve._jupyter_path("/folder"):
            folders = os.environ["JUPYTER_PATH"].split(os.pathsep)
            assert folders == (["/folder"] if before is None else ["/folder", before])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert os.environ.get("JUPYTER_PATH") == before


def test_a_browser_gets_a_file_that_leads_on_and_no_token_in_its_command(tmp_path, monkeypatch):
    opened: list[str] = []
    monkeypatch.setattr(serve.webbrowser, "open", opened.append)
    thread = serve._open(tmp_path, 'http://127.0.0.1:1/?token=a"b')
    thread.join(timeout=60)
    (address,) = opened
    assert address.startswith("file:")
    assert "token" not in address
    page = Path(tmp_path / "open.html").read_text(encoding="utf-8")
    assert 'url=http://127.0.0.1:1/?token=a&quot;b"' in page
