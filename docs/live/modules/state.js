// What the page knows: the settings, how the reader looks at it, and what the worker said last.

import { decode } from "./config.js";
import { TEXTS } from "./text.js";

export const byId = (id) => document.getElementById(id);

const preferred = navigator.language?.startsWith("zh") ? "zh" : "en";

export const state = {
  config: null, view: null, running: false, id: 0, data: null, inspected: null, reached: null, theme: null,
  a: null, b: null, // what is known of each network
};

/** The text of this name in the reader's language. */
export const say = (name) => TEXTS[state.view.language][name];

/** Take the settings of the page's address; return what it has that is not known. */
export function readLink() {
  const { config, view, refused } = decode(location.hash.slice(1));
  view.language ||= state.view?.language ?? preferred;
  Object.assign(state, { config, view });
  return refused;
}

/** Make an element; `text` names the text that it shows. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") made.dataset.text = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}
