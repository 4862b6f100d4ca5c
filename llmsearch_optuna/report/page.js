"use strict";

(() => {
  const narrow = window.matchMedia("(max-width: 640px)").matches;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const figures = [...document.querySelectorAll("[data-figure]")];
  const read = (id) => JSON.parse(document.getElementById(id).textContent);

  // Figures take the page's colours. On a phone they have no gestures that would keep the page from scrolling.

  const colours = (layout) => {
    const style = getComputedStyle(document.documentElement);
    const [ink, muted, line, surface] = ["--ink", "--muted", "--line", "--surface"].map((name) => style.getPropertyValue(name).trim());
    const changes = {
      "font.color": muted, "hoverlabel.bgcolor": surface, "hoverlabel.bordercolor": line, "hoverlabel.font.color": ink,
    };
    for (const axis of Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key))) {
      changes[axis + ".gridcolor"] = line;
      changes[axis + ".linecolor"] = line;
    }
    return changes;
  };

  const set = (target, path, value) => {
    const keys = path.split(".");
    const last = keys.pop();
    let at = target;
    for (const key of keys) at = at[key] = at[key] || {};
    at[last] = value;
  };

  const draw = (element) => {
    const { data, layout } = read(element.dataset.figure);
    for (const [path, value] of Object.entries(colours(layout))) set(layout, path, value);
    if (narrow) {
      layout.dragmode = false;
      layout.font.size = 12;
      layout.margin = { ...layout.margin, l: 44, r: 8 };
      for (const axis of Object.keys(layout).filter((key) => /^xaxis\d*$/.test(key))) layout[axis].nticks = 8;
      for (const axis of Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key))) layout[axis].fixedrange = true;
      for (const trace of data) if (trace.colorbar) trace.colorbar = { ...trace.colorbar, title: { text: "" } };
    }
    return Plotly.newPlot(element, data, layout, { responsive: true, displayModeBar: false });
  };

  // Draw the figures that are not folded away, one after the other, so that the page stays responsive.
  const isHidden = (element) => element.closest("details:not([open])") !== null;
  const drawAll = (left) => {
    const next = left.find((element) => !element.layout && !isHidden(element));
    if (next) draw(next).then(() => setTimeout(drawAll, 0, left));
    else document.documentElement.dataset.drawn = "true";
  };

  // Folded sections: a figure is drawn when its section is opened; a link to a section opens it, and so does printing.
  const folds = [...document.querySelectorAll("details.fold")];
  const openTarget = (address) => {
    const target = document.getElementById(address.slice(1));
    const fold = target && target.querySelector("details.fold");
    if (fold) fold.open = true;
  };
  for (const fold of folds) {
    fold.addEventListener("toggle", () => {
      const inside = figures.filter((element) => fold.contains(element));
      if (fold.open && window.Plotly) drawAll(inside);
      for (const element of inside) if (fold.open && element.layout) Plotly.Plots.resize(element);
    });
  }
  for (const link of document.querySelectorAll("nav a")) {
    link.addEventListener("click", () => openTarget(link.hash));  // also if the address stays the same
  }
  window.addEventListener("hashchange", () => openTarget(location.hash));
  window.addEventListener("beforeprint", () => { for (const fold of folds) fold.open = true; });

  dark.addEventListener("change", () => {
    for (const element of figures) if (element.layout) Plotly.relayout(element, colours(element.layout));
  });

  // The completion browser. All texts become text nodes, so no markup in them is interpreted.

  const node = (name, classes, ...children) => {
    const element = document.createElement(name);
    if (classes) element.className = classes;
    element.append(...children);
    return element;
  };

  const browse = (root) => {
    const comparison = read(root.dataset.browser);
    const pageSize = 3;
    const state = { other: 1, filter: "all", order: "data", query: "", shown: pageSize };
    const list = root.querySelector(".pairs");
    const more = root.querySelector(".more");
    const count = root.querySelector(".count");
    const buttons = [...root.querySelectorAll(".segments button")];

    const lead = (sample) => {
      const [best, other] = [sample.scores[0], sample.scores[state.other]];
      if (best === null || other === null) return null;
      return comparison.maximize ? best - other : other - best;
    };
    const differs = (sample) => sample.texts[0] !== sample.texts[state.other];
    const filters = {
      all: () => true,
      best: (sample) => lead(sample) > 0,
      other: (sample) => lead(sample) < 0,
      tie: (sample) => lead(sample) === 0,
      differs,
    };
    const orders = { data: null, gain: (a, b) => lead(b) - lead(a), loss: (a, b) => lead(a) - lead(b) };

    const marked = (text, stretches) => {
      const characters = [...text];
      const element = node("div", "text");
      element.dir = "auto";
      let at = 0;
      stretches.forEach((length, index) => {
        if (!length) return;
        const part = characters.slice(at, at + length).join("");
        element.append(index % 2 ? node("mark", "", part) : part);
        at += length;
      });
      if (!text) element.append(node("span", "muted", "(empty)"));
      return element;
    };

    const side = (sample, who, stretches, won) => {
      const score = sample.scores[who];
      const facts = (score === null ? "" : "score " + score.toPrecision(3) + ", ") + sample.tokens[who] + " tokens";
      return node("div", won ? "side won" : "side",
        node("h4", "", node("span", "", comparison.names[who]), node("span", "", facts)), marked(sample.texts[who], stretches));
    };

    const card = (sample) => {
      const ahead = lead(sample);
      const head = node("div", "head", node("b", "", "row " + sample.row));
      if (ahead !== null) {
        const kind = ahead > 0 ? "pill good" : ahead < 0 ? "pill bad" : "pill";
        const winner = ahead > 0 ? comparison.names[0] : comparison.names[state.other];
        head.append(node("span", kind, ahead === 0 ? "tie" : winner + " by " + Math.abs(ahead).toPrecision(3)));
      } else if (!differs(sample)) head.append(node("span", "muted", "same text"));
      const turn = (role, text) => {
        const shown = node("div", "text clamp", text);
        shown.dir = "auto";
        return node("div", "turn", ...(role ? [node("span", "role", role)] : []), shown);
      };
      const prompt = node("div", "prompt", ...sample.turns.map(([role, text]) => turn(role, text)));
      prompt.lastElementChild.classList.add("last");
      prompt.title = "the prompt; click to show all of it";
      prompt.addEventListener("click", () => prompt.classList.toggle("whole"));
      // A long beginning that all prompts share, such as examples, would hide what this one asks.
      const part = sample.prompt_part;
      if (!sample.turns.some(([, text]) => text.slice(0, 240).includes(part.slice(0, 60)))) {
        prompt.append(turn("\u2026", part));
      }
      const [first, second] = sample.changes[state.other - 1];
      const reference = node("div", "text", sample.reference);
      reference.dir = "auto";
      const raw = sample.turns.some(([role]) => role)
        ? [node("details", "raw", node("summary", "", "prompt with its template"), node("pre", "", sample.prompt))] : [];
      return node("article", "pair", head, prompt,
        node("div", "sides", side(sample, 0, first, ahead > 0), side(sample, state.other, second, ahead < 0)),
        node("div", "extras", node("details", "reference", node("summary", "", "reference"), reference), ...raw));
    };

    const show = () => {
      const query = state.query.toLowerCase();
      const holds = (sample) => !query || [sample.prompt, sample.reference, ...sample.texts].some((text) => text.toLowerCase().includes(query));
      const searched = comparison.samples.filter(holds);
      const matching = searched.filter(filters[state.filter]);
      if (orders[state.order]) matching.sort(orders[state.order]);
      list.replaceChildren(...matching.slice(0, state.shown).map(card));
      for (const button of buttons) {
        button.setAttribute("aria-pressed", String(button.value === state.filter));
        button.querySelector("small").textContent = searched.filter(filters[button.value]).length;
        const name = button.querySelector("span");
        if (button.value === "other") name.textContent = comparison.names[state.other] + " won";
      }
      count.textContent = matching.length ? Math.min(state.shown, matching.length) + " of " + matching.length + " samples" : "no sample";
      more.hidden = state.shown >= matching.length;
    };

    const change = (changes) => { Object.assign(state, { shown: pageSize }, changes); show(); };
    for (const button of buttons) button.addEventListener("click", () => change({ filter: button.value }));
    root.querySelector("[name=other]").addEventListener("change", (event) => change({ other: Number(event.target.value) }));
    root.querySelector("[name=order]")?.addEventListener("change", (event) => change({ order: event.target.value }));
    root.querySelector("[name=query]").addEventListener("input", (event) => change({ query: event.target.value }));
    more.addEventListener("click", () => { state.shown += 20; show(); });
    show();
  };

  document.querySelectorAll("[data-browser]").forEach(browse);
  openTarget(location.hash);
  window.addEventListener("load", () => drawAll(figures));
})();
