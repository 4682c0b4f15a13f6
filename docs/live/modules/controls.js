// Sliders and menus.

import { RULE_VALUES, SHARED_VALUES, SPEEDS } from "./config.js";
import { DIGIT_STARTS } from "./settings.js";
import { byId, element, say, state } from "./state.js";

const OFF_AT_ZERO = ["maxNorm", "patience", "l1", "l2", "net1", "net2"];
const OFF_AT_ONE = ["keep", "inputKeep", "connectKeep"];

function shownAs(name, value) {
  if (value === 0 && OFF_AT_ZERO.includes(name)) return say("off");
  if (value === 1 && OFF_AT_ONE.includes(name)) return say("off");
  if (name === "patience") return say("epochs")(value);
  const { data } = state.config.shared;
  if (name === "rows" && data === "digits" && value > DIGIT_STARTS.stopping) return say("allRows")(DIGIT_STARTS.stopping);
  return String(value);
}

/** A slider over a list of values, or a menu if they are names; `act` is told of a new value. */
function control(name, values, act) {
  const label = element("label", {}, element("span", { text: name }));
  const words = typeof values[0] === "string";
  // hidden, as a screen reader says the value of the slider itself
  const shown = element("span", { class: "value", "aria-hidden": "true" });
  const input = words
    ? element("select", {}, ...values.map((each) => element("option", { value: each, text: each })))
    : element("input", { type: "range", min: 0, max: values.length - 1 });
  const put = (value) => {
    input.value = words ? value : values.indexOf(value);
    if (words) return;
    shown.textContent = shownAs(name, value);
    input.setAttribute("aria-valuetext", shown.textContent);
  };
  input.addEventListener("input", () => {
    const value = words ? input.value : values[Number(input.value)];
    put(value);
    act(value);
  });
  label.append(...(words ? [input] : [shown, input]));
  return { label, put };
}

const controls = [];

function add(box, name, values, read, act) {
  const made = control(name, values, act);
  controls.push(() => made.put(read()));
  box.append(made.label);
}

/** Build the controls that both networks share. */
export function buildShared({ onShared, onSpeed }) {
  for (const [name, values] of Object.entries(SHARED_VALUES)) {
    add(byId("shared"), name, values, () => state.config.shared[name], (value) => onShared(name, value));
  }
  add(byId("shared"), "speed", SPEEDS, () => state.view.speed, onSpeed);
}

/** Build the controls of one network, in `box`. */
export function buildRules(box, side, onRule) {
  for (const [name, values] of Object.entries(RULE_VALUES)) {
    add(box, name, values, () => state.config[side][name], (value) => onRule(side, name, value));
  }
}

/** Set every control to its setting. */
export function putControls() {
  for (const put of controls) put();
  for (const id of ["k", "count"]) byId(id).value = state.view[id];
}
