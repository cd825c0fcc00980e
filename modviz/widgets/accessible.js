// ipywidgets labels its inputs and selects, but not the handles of sliders, their readouts, groups
// of toggle buttons and progress bars. This gives them names, roles and states.

function set(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

function label(widget) {
  return widget.querySelector(":scope > .widget-label")?.textContent.trim() ?? "";
}

function nameSlider(slider) {
  const name = label(slider);
  const help = slider.querySelector(":scope > .widget-label")?.title;
  const handles = [...slider.querySelectorAll(".noUi-handle")];
  const readout = slider.querySelector(":scope > .widget-readout");
  const values = (readout?.textContent ?? "").split("-");
  handles.forEach((handle, k) => {
    const which = handles.length > 1 ? [", first", ", last"][k] : "";
    set(handle, "aria-label", name + which);
    if (help) set(handle, "aria-description", help);
    const value = (handles.length > 1 ? values[k] : values[0])?.trim();
    if (value) set(handle, "aria-valuetext", value);
  });
  if (readout?.isContentEditable) {
    set(readout, "role", "textbox");
    set(readout, "aria-label", `${name}, as text`);
  }
}

function nameToggles(group) {
  set(group, "role", "group");
  set(group, "aria-label", label(group));
  for (const button of group.querySelectorAll("button")) {
    set(button, "aria-pressed", String(button.classList.contains("mod-active")));
  }
}

function nameProgress(widget) {
  const bar = widget.querySelector(".progress-bar");
  const track = bar?.parentElement;
  if (track == null) return;
  const part = Math.round(parseFloat(bar.style.width) || 0);
  set(track, "role", "progressbar");
  set(track, "aria-label", "How far the work is");
  set(track, "aria-valuemin", "0");
  set(track, "aria-valuemax", "100");
  set(track, "aria-valuenow", String(part));
}

function nameAll(left) {
  set(left, "role", "region");
  set(left, "aria-label", "Controls and evidence");
  left.querySelectorAll(".widget-slider").forEach(nameSlider);
  left.querySelectorAll(".widget-toggle-buttons").forEach(nameToggles);
  left.querySelectorAll(".widget-hprogress, .widget-progress").forEach(nameProgress);
}

/** A button that is switched off, as Run is by a press, drops the focus. What says how far the work is
 * takes it, next to Cancel, and gives it back at the end. One that goes away, as Resume does, leaves
 * the focus to Run. */
function keepFocus(left, focus) {
  const { stand } = focus;
  if (focus.last == null || !focus.last.isConnected) return;
  if (!focus.last.getClientRects().length) focus.last = left.querySelector(".modviz-primary");
  const { last } = focus;
  if (last == null) return;
  if (document.activeElement !== document.body && document.activeElement !== stand) return;
  if (!last.disabled) {
    last.focus({ preventScroll: true });
  } else if (stand == null) {
    focus.stand = left.querySelector(".modviz-run");
    focus.stand.tabIndex = -1;
    focus.stand.focus({ preventScroll: true });
  }
}

function render({ el }) {
  let named = null; // watches the controls
  let asked = 0;
  const controls = () => el.closest(".modviz-explorer")?.querySelector(".modviz-left");
  const start = () => {
    const left = controls();
    if (left == null) return;
    waiting.disconnect();
    const focus = { last: null, stand: null }; // where it was; what has it meanwhile
    const all = left.closest(".modviz-explorer"); // the offer of earlier runs stands above them
    const ours = (element) => element.closest(".modviz-left, .modviz-offer") != null;
    all.addEventListener("focusin", ({ target }) => {
      if (ours(target) && target !== focus.stand) Object.assign(focus, { last: target, stand: null });
    });
    all.addEventListener("focusout", ({ target }) => {
      const stays = !target.disabled && target.getClientRects().length > 0;
      if (stays) focus.last = focus.stand = null; // the focus went away by itself
    });
    const name = () => {
      asked = 0;
      nameAll(left);
      keepFocus(left, focus);
    };
    named = new MutationObserver(() => {
      asked ||= requestAnimationFrame(name);
    });
    named.observe(all, {
      subtree: true,
      childList: true,
      characterData: true,
      attributes: true,
      attributeFilter: ["class", "style", "contenteditable", "disabled"],
    });
    name();
  };
  // the parts of an explorer come into the page one after the other
  const waiting = new MutationObserver(start);
  waiting.observe(document.body, { subtree: true, childList: true });
  start();
  return () => {
    waiting.disconnect();
    named?.disconnect();
    cancelAnimationFrame(asked);
  };
}

export default { render };
