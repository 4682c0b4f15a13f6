const data = JSON.parse(document.getElementById("charts").textContent);
const tip = document.getElementById("tip");

function showTip(pairs, x, y) {
  const list = document.createElement("dl");
  for (const [name, value] of pairs) {
    const term = document.createElement("dt");
    const said = document.createElement("dd");
    term.textContent = name;
    said.textContent = value;
    said.dir = "auto";
    list.append(term, said);
  }
  tip.replaceChildren(list);
  tip.hidden = false;
  const room = document.documentElement.clientWidth;
  const left = x + 14 + tip.offsetWidth > room ? x - 14 - tip.offsetWidth : x + 14;
  const above = y - 14 - tip.offsetHeight;
  tip.style.left = `${Math.max(4, left) + scrollX}px`;
  tip.style.top = `${(above < 4 ? y + 18 : above) + scrollY}px`;
}

function hideTip() {
  tip.hidden = true;
}

function pairsOf(value) {
  return typeof value === "object" ? Object.entries(value) : [["", String(value)]];
}

// the points that the arrow keys visit: every mark with a tooltip, from left to right
function pointsOf(view) {
  const seen = new Map();
  (function walk(item, x, y) {
    if (item.tooltip && item.bounds) {
      const key = JSON.stringify(item.tooltip);
      const bounds = item.bounds;
      const at = [x + (bounds.x1 + bounds.x2) / 2, y + (bounds.y1 + bounds.y2) / 2];
      if (!seen.has(key)) seen.set(key, { at, value: item.tooltip });
    }
    const inner = item.marktype === undefined && item.items && item.x !== undefined;
    for (const each of item.items || []) walk(each, inner ? x + item.x : x, inner ? y + item.y : y);
  })(view.scenegraph().root, 0, 0);
  return [...seen.values()].sort((a, b) => a.at[0] - b.at[0] || a.at[1] - b.at[1]);
}

function addArrowKeys(element, view) {
  let at = -1;
  element.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const jump = { Home: 0, End: -1 }[event.key];
    if (event.key === "Escape") hideTip();
    if (step === undefined && jump === undefined) return;
    const points = pointsOf(view);
    if (!points.length) return;
    event.preventDefault();
    at = jump === undefined ? at + step : jump;
    at = jump === -1 ? points.length - 1 : Math.min(Math.max(at, 0), points.length - 1);
    const box = element.getBoundingClientRect();
    const [left, top] = view.origin();
    const point = points[at];
    showTip(pairsOf(point.value), box.left + left + point.at[0], box.top + top + point.at[1]);
  });
  element.addEventListener("blur", () => { at = -1; hideTip(); });
}

async function draw(id, spec) {
  const element = document.getElementById(id);
  const options = {
    actions: false,
    ast: true, // use the expression interpreter, so that the page needs no eval
    config: data.config,
    defaultStyle: false,
    mode: "vega-lite",
    renderer: "svg",
    tooltip: (_handler, event, _item, value) => {
      if (value === null || value === undefined || value === "") hideTip();
      else showTip(pairsOf(value), event.clientX, event.clientY);
    },
  };
  const { view } = await vegaEmbed(element, spec, options);
  element.querySelector("svg").setAttribute("aria-hidden", "true");
  addArrowKeys(element, view);
}

const button = document.getElementById("theme");
const themes = ["auto", "light", "dark"];

function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  button.querySelector("span").textContent = theme;
}

let theme = "auto";
button.hidden = false;
button.addEventListener("click", () => {
  theme = themes[(themes.indexOf(theme) + 1) % themes.length];
  setTheme(theme);
});
addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });
addEventListener("scroll", hideTip, { passive: true });

await Promise.all(Object.entries(data.charts).map(([id, spec]) => draw(id, spec)));
document.documentElement.dataset.drawn = "yes";
