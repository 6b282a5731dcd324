// The orders in the browser: all of them, and those that are shown, in their order. A change costs as much as has
// changed, not as much as there is.

const TEXT = {
  contains: (value, wanted) => value.includes(wanted), notContains: (value, wanted) => !value.includes(wanted),
  equals: (value, wanted) => value === wanted, notEqual: (value, wanted) => value !== wanted,
  startsWith: (value, wanted) => value.startsWith(wanted), endsWith: (value, wanted) => value.endsWith(wanted),
};
const NUMBER = {
  equals: (value, wanted) => value === wanted, notEqual: (value, wanted) => value !== wanted,
  greaterThan: (value, wanted) => value > wanted, greaterThanOrEqual: (value, wanted) => value >= wanted,
  lessThan: (value, wanted) => value < wanted, lessThanOrEqual: (value, wanted) => value <= wanted,
  inRange: (value, from, to) => value > from && value < to,
};

// Whether a value passes a column's filter as AG Grid describes it, or a set of values.
export function passes(model, value) {
  if (Array.isArray(model)) return model.includes(value);
  if (model.conditions) {
    const check = (one) => passes(one, value);
    return model.operator === "OR" ? model.conditions.some(check) : model.conditions.every(check);
  }
  const is_blank = value === null || value === "";
  if (model.type === "blank") return is_blank;
  if (model.type === "notBlank") return !is_blank;
  if (model.filterType === "number") return !is_blank && NUMBER[model.type](value, model.filter, model.filterTo);
  return TEXT[model.type](String(value).toLowerCase(), String(model.filter).toLowerCase());
}

// What is compared of a row in a column: its number where it has one.
export function valueOf(row, field) {
  const number = row["n_" + field];
  return number === undefined ? row[field] : number;
}

const compare = (a, b) => (a === b ? 0 : a === null ? -1 : b === null ? 1 : a < b ? -1 : 1);

export class Rows {
  constructor() {
    this.by_id = new Map();
    this.shown = [];
    this.sort = [];
    this.check = () => true;
  }
  get size() {
    return this.by_id.size;
  }
  order(a, b) {
    for (const { colId, sort } of this.sort) {
      const found = compare(valueOf(a, colId), valueOf(b, colId));
      if (found !== 0) return sort === "desc" ? -found : found;
    }
    return b.n_order_id - a.n_order_id;
  }
  // These are all that there are.
  fill(rows) {
    this.by_id = new Map(rows.map((row) => [row.order_id, row]));
    this.show();
  }
  // Show what passes `check`, by a sort of columns.
  show(check = this.check, sort = this.sort) {
    this.check = check;
    this.sort = sort;
    this.shown = [...this.by_id.values()].filter(check).sort((a, b) => this.order(a, b));
  }
  // Where a row is, or would be.
  place(row) {
    let low = 0, high = this.shown.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.order(this.shown[middle], row) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
  // Take rows as they are now. Returns those that stand where they stood, and whether others have moved.
  take(rows) {
    const gone = new Set(), come = [], same = [];
    for (const row of rows) {
      const before = this.by_id.get(row.order_id), is_shown = this.check(row);
      const was_shown = before !== undefined && this.check(before);
      this.by_id.set(row.order_id, row);
      if (was_shown && is_shown && this.order(before, row) === 0) {
        this.shown[this.place(before)] = row;
        same.push(row);
        continue;
      }
      if (was_shown) gone.add(before);
      if (is_shown) come.push(row);
    }
    if (gone.size || come.length) this.merge(gone, come.sort((a, b) => this.order(a, b)));
    return { same, is_other: gone.size + come.length > 0 };
  }
  merge(gone, come) {
    const shown = [];
    let next = 0;
    for (const row of this.shown) {
      if (gone.has(row)) continue;
      while (next < come.length && this.order(come[next], row) < 0) shown.push(come[next++]);
      shown.push(row);
    }
    this.shown = next < come.length ? shown.concat(come.slice(next)) : shown;
  }
}
