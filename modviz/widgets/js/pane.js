const sheets = new Map(); // class of a picture for readers without a kernel -> what hides it

/**
 * Hide the picture for readers without a kernel: there is a widget. As early as this, and not when
 * the panels are drawn, because what was painted once stays in the browser's memory: 30 MB.
 */
function initialize({ model }) {
  const sheet = document.createElement("style");
  const hide = () => {
    const still = model.get("still");
    if (still === "") return;
    sheet.textContent = `.${CSS.escape(still)} { display: none; }`;
    sheets.set(still, sheet);
    document.head.append(sheet);
  };
  hide();
  model.on("change:still", hide);
  return () => {
    model.off("change:still", hide);
    sheets.delete(model.get("still"));
    sheet.remove();
  };
}

async function render({ model, el }) {
  el.classList.add("modviz-pane");
  el.style.setProperty("--mv-kernel", "block"); // buttons that ask Python for something
  el.dataset.lmSuppressShortcuts = "true"; // arrow keys step through subclusters, not cells
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

  // the picture for readers without a kernel comes back if there is nothing better
  const state = new MutationObserver(() => {
    const sheet = sheets.get(model.get("still"));
    if (sheet != null) sheet.media = el.dataset.modvizState === "failed" ? "not all" : "all";
  });
  state.observe(el, { attributes: true, attributeFilter: ["data-modviz-state"] });

  const manager = model.widget_manager;
  const kernelDocument = await resolve(manager, model.get("document"));
  if (!shared.hubs.has(kernelDocument)) {
    shared.hubs.set(kernelDocument, new Hub(kernelDocument, manager));
  }
  const detach = shared.hubs.get(kernelDocument).attach(model.get("root"), el);
  return () => {
    model.off("change:announcement", tell);
    state.disconnect();
    detach();
  };
}

export default { initialize, render };
