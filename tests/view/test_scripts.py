"""The scripts of a page: put together whole, and the small sources that carry JSON."""

from __future__ import annotations

import re
from pathlib import Path

from bokeh.models import ColumnDataSource, CustomJS

from modviz.view import scripts
from modviz.view.page import Page

FOLDER = Path(scripts.__file__).parent / "js"


def test_a_note_comes_back() -> None:
    content = {"a": [1, None, "§ <b>"], "b": {"c": 1.5}}
    source = scripts.note("x", content)
    assert source.name == "x"
    assert scripts.read(source) == content


def test_writing_the_same_is_no_change() -> None:
    source = scripts.note("x", {"a": 1})
    heard: list[object] = []
    source.on_change("data", lambda _attr, _old, new: heard.append(new))
    scripts.write(source, {"a": 1})
    assert heard == []
    scripts.write(source, {"a": 2})
    assert scripts.read(source) == {"a": 2}
    assert len(heard) == 1


def test_the_conductor_has_every_part_once_and_its_models_by_name() -> None:
    source = ColumnDataSource()
    script = scripts.conductor({"one": source, "two": [source]})
    assert isinstance(script, CustomJS)
    assert script.args == {"one": source, "two": [source]}
    assert script.code.startswith("const models = {one, two}\n")
    defined = re.findall(r"^function (\w+)\(page\)", script.code, re.MULTILINE)
    called = re.findall(r"\b(\w+)\(page\)(?! \{)", script.code)
    assert sorted(defined) == sorted(set(defined))
    assert sorted(defined) == sorted(called)  # each is called once, none twice


def test_every_script_is_used() -> None:
    page = Page()
    codes = {model.code for model in page.document.models if hasattr(model, "code")}
    names = {path.stem for path in FOLDER.glob("*.js")} - {"follow"}  # for what comes later
    assert len(names) > 10
    for name in names:
        assert any(scripts.code(name) in whole for whole in codes), name


def test_the_page_gives_its_scripts_all_models_that_they_ask_for() -> None:
    page = Page()
    (conductor,) = page.document.roots[1].tags
    given = set(conductor.args)
    asked = set()
    for names in re.findall(r"const \{([^}]*)\} = page\b(?!\.)", conductor.code):
        asked |= {name.strip() for name in names.split(",") if name.strip()}
    own = set(re.findall(r"page\.(\w+) = ", conductor.code))
    assert len(asked) > 15
    assert asked - own <= given
