// "Look inside": a table of the measures that a reader asks for, with a sentence for each.

import { NAMES } from "./settings.js";
import { percent, rounded } from "./sides.js";
import { byId, element, say, state } from "./state.js";

const lossOf = (loss) => say("lossOf")(rounded(loss));
const withLoss = (score) => `${percent(score.accuracy)}\n${lossOf(score.loss)}`;

/** The measures: how each is named, and what it says of a network. */
const MEASURES = [
  ["one", (found) => percent(found.one)],
  ["single", (found) => percent(found.many.single)],
  ["many", (found) => withLoss(found.many)],
  ["scaled", (found) => withLoss(found.scaled)],
  ["wrong", (found) => lossOf(found.wrong)],
  ["coAdaptation", (found) => percent(found.coAdaptation)],
];

/** Write what was found, or nothing if it is of another time. */
export function writeInspection() {
  const table = byId("inspected");
  table.replaceChildren();
  table.hidden = !state.inspected;
  if (!state.inspected) return;
  const cell = (tag, text, attributes) => {
    const made = element(tag, attributes);
    made.textContent = text;
    return made;
  };
  const { k, count } = state.inspected;
  const heads = [say("measureOf")(state.inspected.step), ...NAMES.map((side) => say(`network${side.toUpperCase()}`))];
  table.append(element("thead", {}, element("tr", {}, ...heads.map((text) => cell("th", text, { scope: "col" })))));
  const body = element("tbody");
  for (const [name, form] of MEASURES) {
    const { title, says } = say("measures")[name];
    const head = element("th", { scope: "row" }, title({ k, count }), cell("span", says, { class: "note" }));
    const found = NAMES.map((side) => state.inspected[side]);
    body.append(element("tr", {}, head, ...found.map((each) => cell("td", each ? form(each) : say("lostNumbers")))));
  }
  table.append(body);
}
