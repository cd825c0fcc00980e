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

  // the picture for readers without a kernel goes once there is something better
  const sheet = document.createElement("style");
  const drawn = new MutationObserver(() => {
    const still = model.get("still");
    if (still === "" || el.dataset.modvizState !== "drawn") return;
    sheet.textContent = `.${CSS.escape(still)} { display: none; }`;
    document.head.append(sheet);
  });
  drawn.observe(el, { attributes: true, attributeFilter: ["data-modviz-state"] });

  const manager = model.widget_manager;
  const kernelDocument = await resolve(manager, model.get("document"));
  if (!shared.hubs.has(kernelDocument)) {
    shared.hubs.set(kernelDocument, new Hub(kernelDocument, manager));
  }
  const detach = shared.hubs.get(kernelDocument).attach(model.get("root"), el);
  return () => {
    model.off("change:announcement", tell);
    drawn.disconnect();
    sheet.remove();
    detach();
  };
}

export default { render };
