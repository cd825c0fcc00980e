"""A live Bokeh document inside a notebook: the kernel keeps it, the browser links its panels.

Three widgets, because three things live for different times. `BokehJS` is the library, read from
the installed wheel and sent to the page once per kernel, so that nothing comes from a network.
`LiveDocument` is one Bokeh document: it collects what Python changes in it into one patch per
gesture, and hears of the selection and of zooming. `BokehPane` shows one root of a live document.

A browser that opens a pane (also after its page was reloaded) gets the document as it is at that
moment. Highlighting happens in the browser; Python is told afterwards and never in its way.
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anywidget
import bokeh
import ipywidgets
import traitlets
from bokeh.core.json_encoder import serialize_json
from bokeh.core.serialization import Serialized, Serializer
from bokeh.document import Document
from bokeh.document.events import DocumentChangedEvent, DocumentPatchedEvent
from bokeh.model import Model
from bokeh.models import LayoutDOM

#: Sources of the document that both sides write; js/library.js knows the names too.
VIEW = "modviz-view"

#: Messages from so many bytes on are packed.
_PACKED = 16_384

Select = Callable[[tuple[str, ...]], Sequence[str]]
Zoom = Callable[[float, float, float, float, str], None]
Command = Callable[[str, dict[str, Any]], None]

#: One for all documents: who observes one explorer may write to another, whose worker may be doing
#: the same the other way round; with a lock each they would wait for each other for ever.
_LOCK = threading.RLock()

_SCRIPTS = ("bokeh.min.js", "bokeh-widgets.min.js")  # HTML blocks live in the second


class BokehJS(ipywidgets.Widget):  # type: ignore[misc]
    """The library that draws Bokeh documents, once per kernel."""

    version = traitlets.Unicode(help="Version of BokehJS.").tag(sync=True)
    code = traitlets.Bytes(help="The scripts, gzipped.").tag(sync=True)

    _shared: BokehJS | None = None
    _making = threading.Lock()

    @classmethod
    def shared(cls) -> BokehJS:
        """The one of this kernel; made at the first call."""
        with cls._making:
            if cls._shared is None or cls._shared.comm is None:
                static = Path(bokeh.__file__).parent / "server" / "static" / "js"
                code = b"\n;\n".join((static / name).read_bytes() for name in _SCRIPTS)
                cls._shared = cls(
                    version=bokeh.__version__, code=gzip.compress(code, compresslevel=6, mtime=1)
                )
            return cls._shared


class LiveDocument(ipywidgets.Widget):  # type: ignore[misc]
    """A Bokeh document that any number of browsers show and that Python changes.

    Parameters
    ----------
    document : bokeh Document
    on_select : callable
        Called with the names that were clicked; returns the names that are now selected.
    on_zoom : callable
        Called with x0, x1, y0, y1 and the name of the matrix that was zoomed.
    on_command : callable, optional
        Called with the name and the arguments of what a button in the page asks for.
    on_error : callable
        Called with an exception that one of the above raised.

    Attributes
    ----------
    lock : RLock
        Whoever changes the document holds it: callbacks come from sub-shell threads, results from
        a worker thread. `changes` takes it. All documents share it.
    """

    bokeh = traitlets.Instance(BokehJS, help="The library that draws it.").tag(
        sync=True, **ipywidgets.widget_serialization
    )

    def __init__(
        self,
        document: Document,
        *,
        on_select: Select,
        on_zoom: Zoom,
        on_error: Callable[[Exception], None],
        on_command: Command | None = None,
    ) -> None:
        self.document = document
        self.lock = _LOCK
        self._on_select, self._on_zoom, self._on_error = on_select, on_zoom, on_error
        self._on_command = on_command
        self._clients: set[str] = set()
        self._events: list[DocumentPatchedEvent] = []
        self._depth = 0
        for root in document.roots:
            if isinstance(root, LayoutDOM):
                root.margin = 0  # stands flush in its pane
        super().__init__(bokeh=BokehJS.shared())
        document.on_change(self._collect)
        self.on_msg(self._receive)

    @contextmanager
    def changes(
        self, origin: str | None = None, known: Sequence[Model] | None = ()
    ) -> Iterator[None]:
        """Hold the lock, and send all changes made inside as one patch.

        Parameters
        ----------
        origin : str, optional
            The browser that caused the changes.
        known : sequence of models or None
            Models whose changes `origin` has made itself already: they are not sent back to it.
            None = all of them.
        """
        with self.lock:
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self._flush(origin, known)

    def _collect(self, event: DocumentChangedEvent) -> None:
        if not isinstance(event, DocumentPatchedEvent):
            return
        with self.changes():
            if not any(earlier.combine(event) for earlier in reversed(self._events)):
                self._events.append(event)

    def _flush(self, origin: str | None, known: Sequence[Model] | None) -> None:
        events, self._events = self._events, []
        if known is None:
            self._send_patch(events, origin)
            return
        models = {model.id for model in known}
        own = [e for e in events if getattr(getattr(e, "model", None), "id", None) in models]
        self._send_patch([e for e in events if e not in own])
        self._send_patch(own, origin)

    def _send_patch(self, events: list[DocumentPatchedEvent], origin: str | None = None) -> None:
        if not events or not self._clients - {origin}:
            return  # whoever opens the document later gets all of it
        models = self.document.models
        serializer = Serializer(references=models.synced_references)
        patch = Serialized({"events": serializer.encode(events)}, serializer.buffers)
        models.flush_synced(lambda model: not serializer.has_ref(model))
        self._post({"kind": "patch", "except": origin}, patch)

    def _post(self, message: dict[str, Any], content: Serialized[Any]) -> None:
        """Send JSON and buffers; large ones in one gzipped piece, a third of the bytes."""
        text = serialize_json(content)
        buffers = [(buffer.id, buffer.to_bytes()) for buffer in content.buffers]
        if len(text) + sum(len(data) for _, data in buffers) < _PACKED:
            ids = [name for name, _ in buffers]
            self.send({**message, "json": text, "buffers": ids}, [data for _, data in buffers])
            return
        parts = [text.encode(), *(data for _, data in buffers)]
        sizes = [len(part) for part in parts]
        packed = gzip.compress(b"".join(parts), compresslevel=3, mtime=1)
        ids = [name for name, _ in buffers]
        self.send({**message, "packed": sizes, "buffers": ids}, [packed])

    def _receive(self, _widget: object, message: dict[str, Any], _buffers: object) -> None:
        client = str(message.get("client"))
        try:
            match message.get("kind"):
                case "open":
                    self._open(client)
                case "close":
                    self._clients.discard(client)
                case "select":
                    self._select(client, message)
                case "zoom":
                    self._zoom(client, message)
                case "view":
                    self._view(client, message)
                case "command" if self._on_command is not None:
                    self._on_command(str(message["name"]), dict(message["arguments"]))
        except Exception as error:  # noqa: BLE001  (a browser event has no caller to raise to)
            self._on_error(error)

    def _open(self, client: str) -> None:
        with self.lock:
            self._clients.add(client)
            content = self.document.to_json()
            self.document.models.flush_synced()
            self._post({"kind": "document", "client": client}, content)

    def _select(self, client: str, message: dict[str, Any]) -> None:
        with self.lock:
            with self.changes(client, known=None):  # the links in the browser have done all of it
                names = self._on_select(tuple(message["names"]))
            self.send(
                {
                    "kind": "selected",
                    "client": client,
                    "names": list(names),
                    "sequence": message["sequence"],
                }
            )

    def _view(self, client: str, message: dict[str, Any]) -> None:
        source: Any = self.document.select_one({"name": VIEW})
        if source is not None:
            with self.changes(client, [source]):  # other views follow, a reload comes back to it
                source.data = {"json": [str(message["json"])]}

    def _zoom(self, client: str, message: dict[str, Any]) -> None:
        try:
            x0, x1, y0, y1 = (float(edge) for edge in message["range"])
            name = str(message["figure"])
            figure: Any = self.document.select_one({"name": name})
            ranges = [] if figure is None else [figure.x_range, figure.y_range]
            with self.changes(client, ranges):
                # the kernel's copy zooms too: a second view follows, a reload comes back to it
                for axis, (start, end) in zip(ranges, ((x0, x1), (y0, y1)), strict=False):
                    axis.update(start=start, end=end)
                self._on_zoom(x0, x1, y0, y1, name)
        finally:
            self.send({"kind": "zoomed", "client": client})


class BokehPane(anywidget.AnyWidget):
    """One root of a live document.

    Parameters
    ----------
    document : LiveDocument
    root : str
        Name of the root. Panes that show different roots of one document are linked.
    """

    _esm = "\n".join(
        (Path(__file__).parent / "js" / f"{name}.js").read_text(encoding="utf-8")
        for name in ("library", "seat", "hub", "pane")
    )

    document = traitlets.Instance(LiveDocument, help="The document that is shown.").tag(
        sync=True, **ipywidgets.widget_serialization
    )
    root = traitlets.Unicode(help="Name of the root that is shown.").tag(sync=True)
    announcement = traitlets.Unicode(
        help="What a screen reader is told of the state; empty = this pane says nothing."
    ).tag(sync=True)
    still = traitlets.Unicode(
        help="Class of the elements that stand in for this pane where nothing runs; they are "
        "hidden once it is drawn."
    ).tag(sync=True)
