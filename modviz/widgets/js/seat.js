/** One copy of the document, with at most one pane for each of its roots. */
class Seat {
  client = crypto.getRandomValues(new Uint32Array(2)).join("-");
  document = null;
  views = null;
  hosts = new Map(); // name of a root -> the element Bokeh draws it in
  panes = new Map(); // name of a root -> the element of the widget that shows it
  names = "[]"; // the selection both sides know of, as JSON
  sequence = 0; // of selections made here
  telling = false;
  state = "waiting"; // then "drawing" and "drawn", or "failed"
  trouble = "";
  zoom = { timer: null, figure: null, asked: false, again: false };

  constructor(hub) {
    this.hub = hub;
    // roots without a visible pane are drawn out of sight: Bokeh needs an element with a size
    this.wings = document.createElement("div");
    this.wings.style.cssText = "position:absolute;left:-20000px;top:0;width:1240px";
    this.wings.setAttribute("aria-hidden", "true");
    this.wings.inert = true;
    document.body.append(this.wings);
    this.open();
  }

  async open() {
    try {
      this.bokeh = await this.hub.library;
      this.send({ kind: "open" });
    } catch (error) {
      this.fail(error);
    }
  }

  /** All panes tell the state, also those that come later. */
  become(state, trouble = "") {
    this.state = state;
    this.trouble = trouble;
    for (const pane of this.panes.values()) this.mark(pane);
  }

  mark(pane) {
    pane.dataset.modvizState = this.state;
    pane.dataset.modvizError = this.trouble;
  }

  send(message) {
    try {
      this.hub.model.send({ client: this.client, ...message });
    } catch (error) {
      // the kernel is gone; links inside the browser go on working
      console.warn("modviz: the kernel does not listen", error);
    }
  }

  host(root) {
    if (!this.hosts.has(root)) {
      const host = document.createElement("div");
      host.dataset.modvizRoot = root;
      this.hosts.set(root, host);
      (this.panes.get(root) ?? this.wings).append(host);
    }
    return this.hosts.get(root);
  }

  attach(root, element) {
    this.panes.set(root, element);
    element.append(this.host(root));
    this.mark(element);
  }

  detach(root) {
    this.panes.delete(root);
    this.wings.append(this.host(root));
  }

  clear() {
    this.views?.clear();
    this.document?.clear({ sync: false });
    const all = this.bokeh?.documents ?? [];
    const index = all.indexOf(this.document);
    if (index >= 0) all.splice(index, 1);
    this.document = this.views = null;
    for (const host of this.hosts.values()) host.replaceChildren();
  }

  close() {
    clearTimeout(this.zoom.timer);
    this.send({ kind: "close" });
    this.clear();
    this.wings.remove();
  }

  async build(json, buffers) {
    this.clear();
    const { Document } = this.bokeh.require("document/document");
    const document = Document.from_json(JSON.parse(json), undefined, buffers);
    this.document = document;
    this.names = JSON.stringify(this.selection());
    document.on_change((event) => this.changed(event));
    const elements = document.roots().map((root) => this.host(root.name));
    this.become("drawing");
    const views = await this.bokeh.embed.add_document_standalone(document, this.wings, elements);
    if (this.document !== document) {
      views.clear(); // a newer one has come meanwhile
      return;
    }
    this.views = views;
    this.colour();
    this.become("drawn");
  }

  patch(json, buffers) {
    if (this.document == null) return; // an answer to "open" is under way and holds all of this
    try {
      this.document.apply_json_patch(JSON.parse(json), buffers);
      this.names = JSON.stringify(this.selection());
    } catch (error) {
      console.warn("modviz: a change could not be applied; the document is fetched anew", error);
      this.clear();
      this.send({ kind: "open" });
    }
  }

  /** Take on the notebook's theme, light or dark. */
  colour() {
    const source = this.document?.get_model_by_name(THEME);
    const json = JSON.stringify(isDark() ? "dark" : "light");
    if (source != null && columns(source).json[0] !== json) {
      source.setv({ data: { json: [json] } }, { sync: false });
    }
  }

  source() {
    return this.document?.get_model_by_name(SELECTION);
  }

  selection() {
    const source = this.source();
    return source == null ? [] : [...columns(source).name];
  }

  changed(event) {
    if (event.sync === false || this.document == null) return; // came from the kernel
    const { model, attr } = event;
    if (model?.name === SELECTION && attr === "data") {
      this.tellSelection();
    } else if (model?.name === VIEW && attr === "data") {
      this.send({ kind: "view", json: columns(model).json[0] });
    } else if (model?.name === COMMAND && attr === "data") {
      this.send({ kind: "command", ...JSON.parse(columns(model).json[0]) });
    } else if (attr === "start" || attr === "end") {
      const figure = MATRICES.map((name) => this.document.get_model_by_name(name)).find(
        (matrix) => matrix != null && (model === matrix.x_range || model === matrix.y_range),
      );
      if (figure != null) this.zoomed(figure.name);
    }
  }

  tellSelection() {
    if (this.telling) return;
    this.telling = true;
    queueMicrotask(() => {
      this.telling = false;
      const names = this.selection();
      if (JSON.stringify(names) === this.names) return;
      this.names = JSON.stringify(names);
      this.sequence += 1;
      this.send({ kind: "select", names, sequence: this.sequence });
    });
  }

  /** The kernel has taken a selection; its word counts unless another click came since. */
  selected({ names, sequence }) {
    if (sequence !== this.sequence || JSON.stringify(names) === this.names) return;
    this.names = JSON.stringify(names);
    this.source()?.setv({ data: { name: names } }, { sync: false });
  }

  zoomed(name) {
    this.zoom.figure = name;
    clearTimeout(this.zoom.timer);
    this.zoom.timer = setTimeout(() => this.tellZoom(), ZOOM_PAUSE);
  }

  /** One question at a time: while the kernel is busy only the last range is kept. */
  tellZoom() {
    if (this.zoom.asked) {
      this.zoom.again = true;
      return;
    }
    const figure = this.document?.get_model_by_name(this.zoom.figure);
    if (figure == null) return;
    const { x_range: x, y_range: y } = figure;
    this.zoom.asked = true;
    this.send({ kind: "zoom", figure: figure.name, range: [x.start, x.end, y.start, y.end] });
  }

  answeredZoom() {
    this.zoom.asked = false;
    if (this.zoom.again) {
      this.zoom.again = false;
      this.tellZoom();
    }
  }

  receive(message, buffers) {
    switch (message.kind) {
      case "patch":
        if (message.except !== this.client) this.patch(message.json, buffers);
        break;
      case "document":
        if (message.client === this.client) {
          this.build(message.json, buffers).catch((error) => this.fail(error));
        }
        break;
      case "selected":
        if (message.client === this.client) this.selected(message);
        break;
      case "zoomed":
        if (message.client === this.client) this.answeredZoom();
        break;
    }
  }

  fail(error) {
    console.error("modviz: the panels could not be drawn", error);
    this.become("failed", `The panels could not be drawn: ${error.message ?? error}`);
  }
}
