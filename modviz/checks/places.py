"""Where this process runs: which front end, if any, shows what it displays."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from modviz.checks.findings import Finding

Place = Literal[
    "Voila",
    "Google Colab",
    "Kaggle",
    "Databricks",
    "VS Code",
    "Jupyter server",
    "kernel",
    "IPython",
    "Python",
]
_REPORT: Final = "if the explorer stays empty, modviz.report(analysis, path) writes the same page"


@dataclass(frozen=True)
class Surroundings:
    """What tells where a process runs.

    Attributes
    ----------
    environ : mapping
        Environment variables.
    modules : container of str
        Names of the modules that are loaded.
    shell : str or None
        Name of the class of the running IPython shell; None in plain Python.
    names : container of str
        Names in the shell's user namespace.
    """

    environ: Mapping[str, str]
    modules: Container[str]
    shell: str | None = None
    names: Container[str] = ()

    @property
    def kernel(self) -> bool:
        """Whether somebody else shows what this process displays."""
        return self.shell not in (None, "TerminalInteractiveShell")


def place(here: Surroundings) -> Place:
    """The front end of a process; the closest mark wins, since some run inside others."""
    if not here.kernel:
        return "Python" if here.shell is None else "IPython"
    env = here.environ
    session = "JPY_SESSION_NAME" in env
    marks: tuple[tuple[Place, bool], ...] = (
        ("Voila", env.get("SERVER_SOFTWARE", "").startswith("voila/")),
        ("Google Colab", "google.colab" in here.modules or "COLAB_RELEASE_TAG" in env),
        ("Kaggle", "KAGGLE_KERNEL_RUN_TYPE" in env),
        ("Databricks", "DATABRICKS_RUNTIME_VERSION" in env),
        # a JupyterLab that was started in VS Code's terminal has its variables, and a session
        ("VS Code", "__vsc_ipynb_file__" in here.names or ("VSCODE_PID" in env and not session)),
        ("Jupyter server", session),
    )
    return next((found for found, there in marks if there), "kernel")


def where(found: Place) -> Finding:
    """What is known of a front end, honestly."""
    return _KNOWN[found]


def _untested(words: str, advice: str = "") -> Finding:
    return Finding("Front end", "warning", words, f"{advice}{_REPORT}")


def _known(words: str) -> Finding:
    return Finding("Front end", "fine", words)


_KNOWN: Final[Mapping[Place, Finding]] = {
    "Jupyter server": _known("a notebook of a Jupyter server (JupyterLab or Notebook 7)"),
    "Voila": _known("a page of Voila"),
    "Google Colab": _untested(
        "Google Colab, where modviz is not tested; Colab shows no widgets of others until they "
        "are allowed, and loads their front ends from a content network",
        "from google.colab import output; output.enable_custom_widget_manager(); ",
    ),
    "Kaggle": _untested(
        "Kaggle, where modviz is not tested; widgets need the interactive editor, and their front "
        "ends may need its internet switch"
    ),
    "Databricks": _untested(
        "Databricks, where modviz is not tested; it loads front ends of widgets from a content "
        "network, if the workspace allows that"
    ),
    "VS Code": _untested(
        "VS Code, where modviz is not tested; it loads front ends of widgets from a content "
        "network",
        "allow it in the setting jupyter.widgetScriptSources; ",
    ),
    "kernel": _untested(
        "a kernel whose front end does not say what it is: a converter such as nbconvert, a "
        "console, or a notebook program of its own"
    ),
    "IPython": _known(
        "IPython in a terminal: no widgets here; modviz.report writes a page, and modviz demo "
        "--serve shows a live one"
    ),
    "Python": _known(
        "a program without a front end: no widgets here; modviz.report writes a page, and modviz "
        "demo --serve shows a live one. In a notebook, modviz.doctor() looks at its front end"
    ),
}
