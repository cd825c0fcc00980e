"""A Bokeh layout as one HTML file that holds everything: no kernel, no network."""

from __future__ import annotations

from html import escape
from pathlib import Path

import bokeh

#: Read from the installed wheel: nothing comes from a network.
_PLOTS = "bokeh.min.js"
_WIDGETS = "bokeh-widgets.min.js"
#: The file may not load anything from anywhere.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
)


def html(title: str, css: str, body: str, script: str) -> str:
    """A whole page.

    Parameters
    ----------
    title : str
        Plain text.
    css : str
    body : str
        HTML with the elements that `script` fills.
    script : str
        From ``bokeh.embed.components(..., wrap_script=False)``.
    """
    static = Path(bokeh.__file__).parent / "server" / "static" / "js"
    scripts = [(static / name).read_text(encoding="utf-8") for name in (_PLOTS, _WIDGETS)]
    code = "\n".join(f"<script>{_inline(text)}</script>" for text in (*scripts, script))
    return (
        '<!doctype html>\n<html lang="en" data-modviz-page>\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(title)}</title>\n<style>{css}</style>\n"
        f"</head>\n<body>\n{body}\n{code}\n</body>\n</html>\n"
    )


def _inline(script: str) -> str:
    """A script that cannot end its own element."""
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")
