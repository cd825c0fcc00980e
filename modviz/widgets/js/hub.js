/** All seats of one document of the kernel on this page. */
class Hub {
  seats = [];

  constructor(model, manager) {
    this.model = model;
    this.library = resolve(manager, model.get("bokeh")).then(library);
    // to unpack a message takes a while, and none may overtake it
    let before = Promise.resolve();
    this.receive = (message, views) => {
      before = before.then(() => this.pass(message, views)).catch((error) => {
        console.error("modviz: a message could not be read", error);
      });
    };
    model.on("msg:custom", this.receive);
    this.themes = new MutationObserver(() => this.seats.forEach((seat) => seat.colour()));
  }

  /** Follow the page's theme, as long as anything is shown. */
  watch() {
    this.themes.disconnect();
    if (this.seats.length === 0) return;
    this.themes.observe(document.body, { attributes: true, attributeFilter: ["class", "data-jp-theme-light"] });
  }

  async pass(message, views) {
    const parts = await partsOf(message, views);
    const json = message.json ?? new TextDecoder().decode(parts.shift());
    const buffers = new Map((message.buffers ?? []).map((id, i) => [id, parts[i]]));
    for (const seat of [...this.seats]) seat.receive({ ...message, json }, buffers);
    // BokehJS takes new data in steps; fewer rows that come in between would not fit to the rest
    await new Promise((done) => setTimeout(done));
  }

  attach(root, element) {
    let seat = this.seats.find((taken) => !taken.panes.has(root));
    if (seat == null) {
      seat = new Seat(this);
      this.seats.push(seat);
      this.watch();
    }
    seat.attach(root, element);
    return () => {
      seat.detach(root);
      if (seat.panes.size === 0) {
        this.seats.splice(this.seats.indexOf(seat), 1);
        this.watch();
        seat.close();
      }
    };
  }
}
