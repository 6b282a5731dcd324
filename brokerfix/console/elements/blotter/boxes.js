// The column of boxes by which orders are chosen: a grid that has but a part of the rows has none of its own.

function box(label, is_ticked, change) {
  const input = document.createElement("input");
  input.type = "checkbox";
  input.checked = is_ticked;
  input.tabIndex = -1;
  input.setAttribute("aria-label", label);
  input.addEventListener("change", () => change(input.checked));
  return input;
}

// `blotter` has the `rows`, the `chosen` orders, and `tick` to choose some.
export function boxesOf(blotter) {
  class AllBox {
    init() {
      const { rows, chosen } = blotter;
      this.gui = box("Choose all that are shown", chosen.size > 0, (is_ticked) =>
        blotter.tick(is_ticked ? rows.shown : [...rows.by_id.values()], is_ticked));
      this.gui.tabIndex = 0;
      this.gui.indeterminate = chosen.size > 0 && chosen.size < rows.shown.length;
    }
    getGui() {
      return this.gui;
    }
    refresh() {
      return false;
    }
  }
  return {
    colId: "chosen", headerName: "Chosen", width: 34, pinned: "left", sortable: false, resizable: false,
    lockPosition: true, suppressMovable: true, headerComponent: AllBox, cellClass: "orders-box",
    valueGetter: ({ data }) => data !== undefined && blotter.chosen.has(data.order_id),
    cellRenderer: ({ data, value }) => data === undefined ? "" :
      box(`Choose order ${data.order_id}`, value, (is_ticked) => blotter.tick([data], is_ticked)),
  };
}
