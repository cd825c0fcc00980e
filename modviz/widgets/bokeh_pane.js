// One Bokeh document of the kernel, shown in any number of panes.
//
// The kernel keeps the document; this side keeps copies of it. A copy is a "seat": one place for each
// root (panels, evidence card), so that a click in one root reaches the other inside the browser,
// without the kernel. The first display of an explorer takes the first seat, a second display of the
// same explorer the next one; seats of one document are kept in step through the kernel.
//
// BokehJS comes from the kernel too and stays out of the page's globals, so that it cannot clash
// with a BokehJS of another version on the same page.

const SELECTION = "modviz-selection";
const ADJACENCY = "modviz-adjacency";
const ZOOM_PAUSE = 80; // ms without a further pan or zoom before the kernel is asked for detail
const shared = (globalThis[Symbol.for("modviz.bokeh.1")] ??= {
  libraries: new Map(), // version of BokehJS -> promise of it
  hubs: new WeakMap(), // widget model of a document -> its hub
});

async function unpack(view) {
  const packed = new Blob([view]).stream();
  return new Response(packed.pipeThrough(new DecompressionStream("gzip"))).text();
}

async function loadLibrary(model) {
  const scope = {}; // BokehJS puts itself on `this`
  new Function(await unpack(model.get("code"))).call(scope);
  return scope.Bokeh;
}

function library(model) {
  const version = model.get("version");
  if (!shared.libraries.has(version)) {
    shared.libraries.set(version, loadLibrary(model));
  }
  return shared.libraries.get(version);
}

function resolve(manager, reference) {
  return manager.get_model(reference.slice("IPY_MODEL_".length));
}

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
  zoom = { timer: null, asked: false, again: false };

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
    this.bokeh = await this.hub.library;
    this.send({ kind: "open" });
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
    for (const pane of this.panes.values()) pane.dataset.modvizState = "drawing";
    this.views = await this.bokeh.embed.add_document_standalone(document, this.wings, elements);
    if (this.document !== document) return;
    for (const pane of this.panes.values()) pane.dataset.modvizState = "drawn";
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

  source() {
    return this.document?.get_model_by_name(SELECTION);
  }

  selection() {
    const data = this.source()?.data ?? {};
    const names = data instanceof Map ? data.get("name") : data.name;
    return [...(names ?? [])];
  }

  changed(event) {
    if (event.sync === false || this.document == null) return; // came from the kernel
    const { model, attr } = event;
    if (model?.name === SELECTION && attr === "data") {
      this.tellSelection();
    } else if (attr === "start" || attr === "end") {
      const figure = this.document.get_model_by_name(ADJACENCY);
      if (figure != null && (model === figure.x_range || model === figure.y_range)) {
        this.zoomed();
      }
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

  zoomed() {
    clearTimeout(this.zoom.timer);
    this.zoom.timer = setTimeout(() => this.tellZoom(), ZOOM_PAUSE);
  }

  /** One question at a time: while the kernel is busy only the last range is kept. */
  tellZoom() {
    if (this.zoom.asked) {
      this.zoom.again = true;
      return;
    }
    const figure = this.document?.get_model_by_name(ADJACENCY);
    if (figure == null) return;
    const { x_range: x, y_range: y } = figure;
    this.zoom.asked = true;
    this.send({ kind: "zoom", range: [x.start, x.end, y.start, y.end] });
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
    for (const pane of this.panes.values()) {
      pane.dataset.modvizState = "failed";
      pane.dataset.modvizError = `The panels could not be drawn: ${error.message ?? error}`;
    }
  }
}

/** All seats of one document of the kernel on this page. */
class Hub {
  seats = [];

  constructor(model, manager) {
    this.model = model;
    this.library = resolve(manager, model.get("bokeh")).then(library);
    this.receive = (message, views) => {
      const buffers = new Map(
        (message.buffers ?? []).map((id, i) => {
          const { buffer, byteOffset, byteLength } = views[i];
          return [id, buffer.slice(byteOffset, byteOffset + byteLength)];
        }),
      );
      for (const seat of [...this.seats]) seat.receive(message, buffers);
    };
    model.on("msg:custom", this.receive);
  }

  attach(root, element) {
    let seat = this.seats.find((taken) => !taken.panes.has(root));
    if (seat == null) {
      seat = new Seat(this);
      this.seats.push(seat);
      this.library.catch((error) => seat.fail(error));
    }
    seat.attach(root, element);
    if (seat.views != null) element.dataset.modvizState = "drawn";
    return () => {
      seat.detach(root);
      if (seat.panes.size === 0) {
        this.seats.splice(this.seats.indexOf(seat), 1);
        seat.close();
      }
    };
  }
}

async function render({ model, el }) {
  el.classList.add("modviz-pane");
  el.dataset.modvizState = "waiting";
  const announce = document.createElement("div");
  announce.className = "modviz-announce";
  announce.setAttribute("role", "status");
  announce.setAttribute("aria-live", "polite");
  const tell = () => {
    const text = model.get("announcement");
    announce.textContent = text;
    announce.hidden = text === "";
  };
  tell();
  model.on("change:announcement", tell);
  el.append(announce);

  const manager = model.widget_manager;
  const kernelDocument = await resolve(manager, model.get("document"));
  if (!shared.hubs.has(kernelDocument)) {
    shared.hubs.set(kernelDocument, new Hub(kernelDocument, manager));
  }
  const detach = shared.hubs.get(kernelDocument).attach(model.get("root"), el);
  return () => {
    model.off("change:announcement", tell);
    detach();
  };
}

export default { render };
