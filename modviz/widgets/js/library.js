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
const VIEW = "modviz-view";
const THEME = "modviz-theme";
const COMMAND = "modviz-command";
const MATRICES = ["modviz-adjacency", "modviz-adjacency-by-layer"];
const ZOOM_PAUSE = 80; // ms without a further pan or zoom before the kernel is asked for detail
const shared = (globalThis[Symbol.for("modviz.bokeh.1")] ??= {
  libraries: new Map(), // version of BokehJS -> promise of it
  hubs: new WeakMap(), // widget model of a document -> its hub
});

function unpacked(view) {
  const packed = new Blob([view]).stream();
  return new Response(packed.pipeThrough(new DecompressionStream("gzip")));
}

/** The pieces of a message, as they were before it was packed. */
async function partsOf(message, views) {
  if (message.packed == null) {
    return (views ?? []).map(({ buffer, byteOffset, byteLength }) =>
      buffer.slice(byteOffset, byteOffset + byteLength),
    );
  }
  const whole = await unpacked(views[0]).arrayBuffer();
  let start = 0;
  return message.packed.map((size) => whole.slice(start, (start += size)));
}

async function loadLibrary(model) {
  const scope = {}; // BokehJS puts itself on `this`
  new Function(await unpacked(model.get("code")).text()).call(scope);
  return scope.Bokeh;
}

function library(model) {
  const version = model.get("version");
  if (!shared.libraries.has(version)) {
    const loading = loadLibrary(model);
    loading.catch(() => shared.libraries.delete(version)); // the next document tries again
    shared.libraries.set(version, loading);
  }
  return shared.libraries.get(version);
}

function resolve(manager, reference) {
  return manager.get_model(reference.slice("IPY_MODEL_".length));
}

function columns(source) {
  return source.data instanceof Map ? Object.fromEntries(source.data) : source.data;
}

/** Whether the page around us is dark: JupyterLab, Notebook and Voila say so, VS Code in a class. */
function isDark() {
  const { jpThemeLight } = document.body.dataset;
  if (jpThemeLight != null) return jpThemeLight === "false";
  return document.body.matches(".vscode-dark, .vscode-high-contrast, .theme-dark");
}
