// Makes the tables of the frameworks sortable, and the one of the settings filterable.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const chinese = location.pathname.includes("zh-CN");
  const words = chinese
    ? { search: "筛选", all: "全部", shown: "行", framework: "框架", kind: "类别" }
    : { search: "filter", all: "all", shown: "rows", framework: "framework", kind: "kind" };
  const text = (row, place) => row.cells[place].textContent.trim();
  const compare = new Intl.Collator(undefined, { numeric: true }).compare;

  for (const table of document.querySelectorAll(".dialects table")) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    [...table.tHead.rows[0].cells].forEach((head, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const sign = down ? -1 : 1;
        rows.sort((a, b) => sign * compare(text(a, place), text(b, place)));
        body.append(...rows);
      });
    });
    if (table.dataset.filter) addFilter(table, rows);
  }

  function addFilter(table, rows) {
    const form = document.createElement("form");
    form.className = "dialects-filter";
    form.addEventListener("submit", (event) => event.preventDefault());
    const count = document.createElement("output");
    count.setAttribute("aria-live", "polite");
    const search = document.createElement("input");
    search.type = "search";
    const choices = [[0, words.framework], [2, words.kind]].map(([place, name]) => {
      const choice = document.createElement("select");
      const values = [...new Set(rows.map((row) => text(row, place)))].sort(compare);
      choice.append(new Option(words.all, ""), ...values.map((value) => new Option(value)));
      labelled(form, name, choice);
      return [place, choice];
    });
    labelled(form, words.search, search);
    form.append(count);
    const update = () => {
      const wanted = search.value.toLowerCase().split(/\s+/);
      let shown = 0;
      for (const row of rows) {
        const whole = row.textContent.toLowerCase();
        const fits =
          wanted.every((word) => whole.includes(word)) &&
          choices.every(([place, choice]) => !choice.value || text(row, place) === choice.value);
        row.hidden = !fits;
        shown += fits;
      }
      count.textContent = `${shown} ${words.shown}`;
    };
    form.addEventListener("input", update);
    table.parentElement.before(form);
    update();
  }

  function labelled(form, name, control) {
    const label = document.createElement("label");
    label.append(`${name} `, control);
    form.append(label);
  }
});
