/** The pictures of a subcluster, large: those of its card, over the page. */
function lightbox(page) {
  const {cards, request, stage} = page
  const shadow = page.index.find_one(stage).shadow_el
  const dialog = document.createElement("dialog")
  dialog.addEventListener("click", ({target}) => {
    if (target === dialog || target.closest("[data-close]") != null) dialog.close()
  })
  dialog.addEventListener("keydown", (event) => event.stopPropagation())
  shadow.append(dialog)

  page.enlarge = (name) => {
    const row = cards.data.name.indexOf(name ?? "")
    if (row < 0 || name === "") return
    const card = document.createElement("template")
    card.innerHTML = cards.data.html[row]
    const found = [...card.content.querySelectorAll(".pic")]
    if (found.length === 0) return
    const head = document.createElement("div")
    head.className = "top"
    const title = document.createElement("h2")
    title.textContent = `What drives ${name}`
    title.id = "modviz-large"
    const close = document.createElement("button")
    close.className = "button"
    close.type = "button"
    close.dataset.close = ""
    close.textContent = "Close"
    head.append(title, close)
    const optimised = found.filter((picture) => "large" in picture.dataset)
    const real = found.filter((picture) => !("large" in picture.dataset))
    dialog.setAttribute("aria-labelledby", title.id)
    dialog.replaceChildren(head, ...[optimised, real].filter((some) => some.length > 0).map(line))
    dialog.showModal()
  }

  function line(some) {
    const element = document.createElement("div")
    element.className = "row"
    element.append(...some.map(large))
    return element
  }

  function large(picture) {
    const figure = document.createElement("figure")
    const copy = document.createElement("span")
    copy.className = picture.className
    copy.style.cssText = picture.style.cssText
    figure.style.width = "large" in picture.dataset ? "240px" : "132px" // a long caption wraps
    copy.setAttribute("role", "img")
    const words = picture.getAttribute("aria-label") ?? ""
    copy.setAttribute("aria-label", words)
    const caption = document.createElement("figcaption")
    caption.textContent = picture.dataset.caption ?? words
    figure.append(copy, caption)
    return figure
  }

  page.follow("data", [request], () => page.enlarge(page.read(request).enlarge))
}
