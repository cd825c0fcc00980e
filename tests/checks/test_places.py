"""Which front end a process has, from the marks that each leaves."""

from __future__ import annotations

import pytest

from modviz.checks.places import Surroundings, place, where

KERNEL = "ZMQInteractiveShell"
SESSION = {"JPY_SESSION_NAME": "/home/me/x.ipynb", "JPY_PARENT_PID": "7"}


@pytest.mark.parametrize(
    ("here", "found"),
    [
        (Surroundings({}, ()), "Python"),
        (Surroundings({"VSCODE_PID": "7"}, ()), "Python"),
        (Surroundings({}, ("IPython",), "TerminalInteractiveShell"), "IPython"),
        (Surroundings(SESSION, (), KERNEL), "Jupyter server"),
        (Surroundings({**SESSION, "VSCODE_PID": "7"}, (), KERNEL), "Jupyter server"),
        (Surroundings({"VSCODE_PID": "7"}, (), KERNEL), "VS Code"),
        (Surroundings(SESSION, (), KERNEL, ("__vsc_ipynb_file__",)), "VS Code"),
        (Surroundings({"SERVER_SOFTWARE": "voila/0.5.13"}, (), KERNEL), "Voila"),
        (Surroundings({"SERVER_SOFTWARE": "gunicorn"}, (), KERNEL), "kernel"),
        (Surroundings({}, ("google.colab",), "Shell"), "Google Colab"),
        (Surroundings({"COLAB_RELEASE_TAG": "r"}, (), "Shell"), "Google Colab"),
        (Surroundings({"KAGGLE_KERNEL_RUN_TYPE": "Interactive"}, (), KERNEL), "Kaggle"),
        (Surroundings({"DATABRICKS_RUNTIME_VERSION": "15"}, (), "DatabricksShell"), "Databricks"),
        (Surroundings({"JPY_PARENT_PID": "7"}, (), KERNEL), "kernel"),
    ],
)
def test_each_front_end_is_told_by_its_marks(here, found):
    assert place(here) == found
    assert where(found).subject == "Front end"


def test_what_is_not_tested_is_a_warning_that_says_what_to_do():
    for name in ("Google Colab", "Kaggle", "Databricks", "VS Code"):
        finding = where(name)
        assert finding.verdict == "warning"
        assert "not tested" in finding.words
        assert "modviz.report" in finding.advice
    assert "enable_custom_widget_manager()" in where("Google Colab").advice
    for name in ("Jupyter server", "Voila", "Python", "IPython"):
        assert where(name).verdict == "fine"
