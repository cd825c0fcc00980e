/** Light or dark: the colours of the figures, and the custom properties that all HTML reads.
 *
 * What means a cluster keeps its colour. Everything else is turned over in lightness (Oklab), so that
 * what stood out most on white stands out most on black. Pictures stay as they are.
 */
function theming(page) {
  const {theme, paints, mappers, tokens, kept} = page
  const fixed = new Set(kept)
  const [SURFACE, BRIGHTEST] = [0.205, 0.96]

  const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  const gamma = (c) => (c <= 0.0031308 ? 12.92 * c : 1.055 * c ** (1 / 2.4) - 0.055)

  function lab(hex) {
    const [r, g, b] = [1, 3, 5].map((k) => linear(parseInt(hex.slice(k, k + 2), 16) / 255))
    const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b)
    const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b)
    const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b)
    return [
      0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
      1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
      0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
    ]
  }

  function hex([L, a, b]) {
    const l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3
    const m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3
    const s = (L - 0.0894841775 * a - 1.291485548 * b) ** 3
    const rgb = [
      4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
      -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
      -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
    ]
    const byte = (c) => Math.round(255 * Math.min(1, Math.max(0, gamma(Math.max(c, 0)))))
    return "#" + rgb.map((c) => byte(c).toString(16).padStart(2, "0")).join("")
  }

  const known = new Map(Object.entries(tokens.canvas))
  function dark(color) {
    if (typeof color !== "string" || !/^#[0-9a-f]{6}$/i.test(color)) return color
    const key = color.toLowerCase()
    if (!known.has(key)) {
      const [L, a, b] = lab(key)
      const turned = SURFACE + ((1 - L) * (BRIGHTEST - SURFACE)) / 0.81
      const bright = fixed.has(key) ? Math.max(L, 0.56) : Math.min(turned, BRIGHTEST)
      known.set(key, hex([bright, a, b]))
    }
    return known.get(key)
  }

  // the lasting colours of glyphs, as they were sent
  const sent = paints.map(([model, names]) => [
    model,
    names.map((name) => [name, model[name]]).filter(([, spec]) => spec?.value != null || typeof spec === "string"),
  ])
  const palettes = mappers.map((mapper) => [mapper, [...mapper.palette]])
  const turn = (spec) => (typeof spec === "string" ? dark(spec) : {...spec, value: dark(spec.value)})
  const paletteColor = (number) => "#" + (number >>> 8).toString(16).padStart(6, "0")
  const asHex = (color) => (typeof color === "number" ? paletteColor(color) : color)

  page.isDark = () => page.read(theme) === "dark"
  page.recoloured = (color) => (page.isDark() ? dark(color) : color)

  function paint() {
    const on = page.isDark()
    for (const [model, specs] of sent) {
      model.setv(Object.fromEntries(specs.map(([name, spec]) => [name, on ? turn(spec) : spec])))
    }
    for (const [mapper, colors] of palettes) {
      mapper.palette = on ? colors.map((color) => dark(asHex(color))) : colors
    }
    for (const root of page.roots) {
      const element = page.index.get(root)?.el
      if (element == null) continue
      for (const [name, value] of Object.entries(tokens.dark)) {
        if (on) element.style.setProperty(name, value)
        else element.style.removeProperty(name)
      }
      element.style.colorScheme = on ? "dark" : "light"
      element.closest("[data-modviz-page]")?.setAttribute("data-modviz-theme", on ? "dark" : "light")
    }
    page.restage?.()
    page.painted?.()
  }
  page.paint = paint
  page.follow("data", [theme], paint)
}
