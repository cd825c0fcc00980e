/** Everything that a click in a plot does, for hands without a mouse and eyes that can't see plots:
 * the bar's buttons and selectors, the tables below the panels, keys.
 *
 * HTML says what it does in attributes: `data-select` names subclusters, `data-act` one of the acts
 * below, `data-view` a part of the page's state, `data-command` something that only Python can do.
 */
function reading(page) {
  const {divs, selection, cards, view, command, subclusters} = page
  const shadows = divs.map((div) => [div, page.viewOf(div).shadow_el])
  const all = (selector) => shadows.flatMap(([, shadow]) => [...shadow.querySelectorAll(selector)])
  const opened = new Map() // a rendered piece of HTML forgets which of its folds were open
  let focused = null // and where the focus was

  function step(by) {
    const names = page.shown()
    if (names.length === 0) return
    const at = names.indexOf(selection.data.name.at(-1))
    const next = at < 0 ? (by > 0 ? 0 : names.length - 1) : (at + by + names.length) % names.length
    page.select([names[next]])
  }

  const acts = {
    next: () => step(1),
    previous: () => step(-1),
    clear: () => page.select([]),
    enlarge: () => page.enlarge(selection.data.name.at(-1)),
    all: () => change({layer: "", show: "all"}),
    ...page.turns,
    theme: () => (page.theme.data = {json: [page.isDark() ? '"light"' : '"dark"']}),
    ...zooming(page),
  }

  function change(parts) {
    view.data = {json: [JSON.stringify({...page.read(view), ...parts})]}
  }

  function clicked(event) {
    const button = event.target.closest("[data-select], [data-act], [data-command]")
    if (button == null || button.disabled || button.ariaDisabled === "true") return
    const {select, act, command: name} = button.dataset
    if (select != null) {
      const names = select.split(" ").filter((part) => part !== "")
      const before = event.shiftKey ? [...selection.data.name] : []
      const again = names.length > 0 && names.every((name) => before.includes(name))
      page.select(again ? before.filter((name) => !names.includes(name)) : [...before, ...names])
    } else if (act != null) {
      acts[act]()
    } else {
      const parts = JSON.parse(button.dataset.arguments ?? "{}")
      command.data = {json: [JSON.stringify({name, arguments: parts, at: Date.now()})]}
    }
  }

  function changed({target}) {
    if (target.dataset.view != null) change({[target.dataset.view]: target.value})
    else if (target.dataset.pick != null) page.select(target.value === "" ? [] : [target.value])
  }

  function keyed(event) {
    const at = event.composedPath()[0]
    const plot = at.matches?.(".bk-events") // which has rows; elsewhere up and down scroll
    if (event.ctrlKey || event.metaKey || event.altKey || at.closest?.("dialog") != null) return
    if (event.key === "Escape" && selection.data.name.length > 0) page.select([])
    else if (at.matches?.("select, input, textarea, [contenteditable]")) return
    else if (event.key === "ArrowRight" || (plot && event.key === "ArrowDown")) step(1)
    else if (event.key === "ArrowLeft" || (plot && event.key === "ArrowUp")) step(-1)
    else return
    event.preventDefault()
    event.stopPropagation()
  }

  /** A button that has the focus keeps it while it can do nothing: a disabled one would lose it. */
  page.enable = (button, can) => {
    button.disabled = !can && !button.matches(":focus")
    button.ariaDisabled = can ? null : "true"
  }

  /** Say in HTML what is selected and shown. */
  function mark() {
    const names = [...selection.data.name]
    const marked = new Set(names)
    const visible = page.shown()
    const place = new Map(visible.map((name, k) => [name, k]))
    const tested = new Set(subclusters.data.name.filter((_, k) => subclusters.data.tested[k]))
    for (const button of all("[data-select]")) {
      const own = button.dataset.select.split(" ")
      button.setAttribute("aria-pressed", own.every((name) => marked.has(name)))
    }
    for (const body of all("tbody:has(> tr[data-of])")) {
      const entries = [...body.querySelectorAll("tr[data-of]")]
      for (const row of entries) {
        row.toggleAttribute("data-marked", marked.has(row.dataset.of))
        row.hidden = tested.has(row.dataset.of) && !place.has(row.dataset.of)
      }
      if (body.closest("[data-sorted]") == null) continue
      const rank = (row) => place.get(row.dataset.of) ?? Infinity
      const sorted = [...entries].sort((a, b) => (rank(a) === rank(b) ? 0 : rank(a) - rank(b)))
      if (sorted.some((row, k) => row !== entries[k])) body.append(...sorted)
    }
    for (const pick of all("select[data-pick]")) {
      const options = ["", ...new Set([...names.filter((name) => !place.has(name)), ...visible])]
      if (options.join(" ") !== [...pick.options].map((option) => option.value).join(" ")) {
        pick.replaceChildren(...options.map((name) => new Option(name === "" ? "none" : name, name)))
      }
      pick.value = names.at(-1) ?? ""
    }
    const state = page.read(view)
    for (const selector of all("select[data-view]")) selector.value = state[selector.dataset.view]
    const total = page.total()
    const of = total > 0 && visible.length === 0 ? "none" : visible.length
    const some = visible.length === total ? `${total} subclusters` : `${of} of ${total} subclusters`
    const chosen = names.length > 1 ? `${names.length} selected` : names.length ? `${names[0]} selected` : ""
    for (const count of all("[data-count]")) {
      const text = chosen === "" ? some : `${some}, ${chosen}`
      if (count.textContent !== text) count.textContent = text
    }
    for (const button of all('[data-act="clear"]')) page.enable(button, names.length > 0)
    for (const button of all('[data-act="all"]')) {
      if (visible.length === total && button.matches(":focus")) all('[data-view="show"]')[0].focus()
      button.hidden = visible.length === total
    }
    describe(names.at(-1))
    for (const ramp of all("[data-ramp]")) {
      const colors = ramp.dataset.ramp.split(",").map(page.recoloured)
      ramp.style.background = `linear-gradient(90deg, ${colors.join(", ")})`
    }
    page.zoomed()
    page.tellPages()
  }

  /** What a figure shows, for those who can't see it: its summary, and the evidence selected. */
  function describe(name) {
    const row = cards.data.name.indexOf(name ?? "")
    const evidence = row < 0 || name == null ? "" : ` Selected: ${name}. ${cards.data.words[row]}`
    for (const [figure, title, twin, group] of page.pictured) {
      const element = page.viewOf(figure)?.el
      const summary = page.viewOf(twin)?.shadow_el.querySelector("p")?.textContent ?? ""
      element?.setAttribute("role", "img")
      element?.setAttribute("aria-label", `${title}. ${summary}${page.leftOut(group)}${evidence}`)
    }
  }

  function rendered(div, shadow) {
    for (const fold of shadow.querySelectorAll("details")) fold.open = opened.get(div) ?? false
    if (div !== page.card) mark() // first: a row that moves loses the focus
    if (focused?.div !== div) return
    const again = shadow.querySelector(focused.selector)
    const around = page.index.get(div === page.card ? div : page.root).el // if it is gone
    if (again != null) again.focus({preventScroll: true})
    else if (globalThis.document.activeElement === globalThis.document.body) around.focus({preventScroll: true})
  }

  function remember(div, element) {
    for (const key of ["select", "act", "view", "pick", "command"]) {
      if (element.dataset?.[key] != null) {
        focused = {div, selector: `[data-${key}="${CSS.escape(element.dataset[key])}"]`}
        return
      }
    }
    focused = element.matches?.("summary") ? {div, selector: "summary"} : null
  }

  for (const [div, shadow] of shadows) {
    shadow.addEventListener("click", clicked)
    shadow.addEventListener("change", changed)
    shadow.addEventListener("toggle", ({target}) => opened.set(div, target.open), true)
    shadow.addEventListener("focusin", ({target}) => remember(div, target))
    shadow.addEventListener("focusout", ({relatedTarget}) => relatedTarget != null && (focused = null))
    div.change.connect(() => rendered(div, shadow)) // that of `text` alone comes before the new HTML
  }
  for (const [root, words] of [[page.card, "Evidence"], [page.root, "Panels; arrow keys step through subclusters"]]) {
    const {el} = page.index.get(root)
    el.addEventListener("keydown", keyed)
    el.tabIndex = 0
    el.setAttribute("role", "region")
    el.setAttribute("aria-label", words)
  }
  /** Bokeh's ring around a plot is faint, and no other for those who came by keyboard. */
  function ring(event) {
    const at = event.composedPath()[0]
    if (!at.matches?.(".bk-events")) return
    const {style} = at.getRootNode().host
    const came = at.matches(":focus-visible")
    style.setProperty("--highlight-color", "var(--mv-focus, #0969da)")
    style.setProperty("--outline-style", came ? "solid" : "dotted")
    style.setProperty("--outline-width", came ? "2px" : "1px")
  }
  const strips = page.matrices.flatMap(({matrix, top, side}) => [matrix, top, side])
  for (const figure of [...Object.values(page.frames).map((frame) => frame.figure), ...strips]) {
    if (figure != null) page.index.find_one(figure)?.el.addEventListener("focusin", ring)
  }
  lightbox(page)
  page.marked = mark
  page.arranged = mark
  page.painted = mark
  mark()
}
