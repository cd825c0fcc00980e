// What a page does in the browser, without a kernel. The other files of this folder stand above this
// one, a function each; each takes the page's models and joins its part to them. They know each other
// only through those models and the few functions that they add to `page`.
//
//   linking    a selection marks the same subclusters in every panel
//   theming    light or dark
//   paging     which part of long panels is drawn
//   placing    rows and cells in the order and choice that the bar asks for
//   staging    what the kernel sent, placed and coloured, becomes what is drawn
//   pictures   sheets of pictures become the pictures of gallery and card
//   fitting    the panels take the width there is
//   reading    buttons, selectors, tables and keys

const views = new Map()
const page = {
  ...models,
  index: cb_context.index,
  /** Call `action` now and whenever a property of one of the models changes. */
  follow(property, from, action) {
    for (const model of from) model.properties[property].change.connect(() => action(model))
  },
  /** The same once for all that a message of the kernel changes, after the last of it. */
  followAll(property, from, action) {
    let due = false
    page.follow(property, from, () => {
      if (due) return
      due = true
      queueMicrotask(() => {
        due = false
        action()
      })
    })
  },
  /** `action` after the next frame, once however often it is asked for: it can wait until marks are painted. */
  later(action) {
    let due = false
    return () => {
      if (due) return
      due = true
      requestAnimationFrame(() => setTimeout(() => {
        due = false
        if (page.index.get(page.root) != null) action()
      }))
    }
  },
  /** The view of a model, which stays the same as long as the page: to look for it takes a while. */
  viewOf(model) {
    if (!views.has(model)) views.set(model, page.index.find_one(model))
    return views.get(model)
  },
  /** The JSON that Python or the browser put into one of the small sources. */
  read: (source) => JSON.parse(source.data.json[0]),
}
linking(page)
theming(page)
paging(page)
placing(page)
staging(page)
pictures(page)
fitting(page)
reading(page)
if (page.isDark()) page.paint()
