// A column's filter by the values that there are: AG Grid's own is not in its community edition.

import { shown } from "brokerfix-blotter/cells.js";

const MOST = 300;

export class SetFilter {
  init(params) {
    this.params = params;
    this.field = params.colDef.colId;
    this.chosen = null;
    this.gui = document.createElement("div");
    this.gui.className = "orders-set";
    this.search = document.createElement("input");
    this.search.type = "search";
    this.search.placeholder = "Find a value";
    this.search.setAttribute("aria-label", `Find a value of ${params.colDef.headerName}`);
    this.search.addEventListener("input", () => this.show());
    this.list = document.createElement("div");
    this.list.className = "orders-set-values";
    this.list.setAttribute("role", "group");
    this.list.setAttribute("aria-label", `Values of ${params.colDef.headerName}`);
    const all = document.createElement("button");
    all.type = "button";
    all.textContent = "Show all";
    all.addEventListener("click", () => this.choose(null));
    this.gui.append(this.search, this.list, all);
  }
  getGui() {
    return this.gui;
  }
  afterGuiAttached() {
    this.counts = new Map();
    for (const row of this.params.context.rows.by_id.values()) {
      this.counts.set(row[this.field], (this.counts.get(row[this.field]) ?? 0) + 1);
    }
    this.show();
    this.search.focus();
  }
  show() {
    const wanted = this.search.value.toLowerCase();
    const found = [...this.counts].filter(([value]) => String(value).toLowerCase().includes(wanted)).sort();
    this.list.replaceChildren(...found.slice(0, MOST).map(([value, count]) => this.choice(value, count)));
    if (found.length > MOST) this.list.append(`${found.length - MOST} more`);
  }
  choice(value, count) {
    const label = document.createElement("label"), box = document.createElement("input");
    box.type = "checkbox";
    box.checked = this.chosen?.has(value) ?? false;
    box.addEventListener("change", () => {
      const chosen = new Set(this.chosen ?? []);
      if (box.checked) chosen.add(value);
      else chosen.delete(value);
      this.choose(chosen.size ? chosen : null, false);
    });
    label.append(box, ` ${shown(this.field, { [this.field]: value }) || "(none)"} (${count.toLocaleString("en-GB")})`);
    return label;
  }
  choose(chosen, anew = true) {
    this.chosen = chosen;
    if (anew && this.counts) this.show();
    this.params.filterChangedCallback();
  }
  isFilterActive() {
    return this.chosen !== null;
  }
  doesFilterPass() {
    return true;
  }
  getModel() {
    return this.chosen === null ? null : [...this.chosen];
  }
  setModel(model) {
    this.chosen = model === null ? null : new Set(model);
  }
}
