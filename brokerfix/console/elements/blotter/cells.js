// What an order's row is, and how its cells are shown. All of it is set as text, never as HTML.

const NUMBERS = ["qty", "price", "cum", "leaves", "avg_px", "notional", "at_venues", "in_book", "held", "stop_px"];
const SETS = ["client", "account", "symbol", "side", "type", "tif", "status", "destination"];
const COLUMNS = [
  // field, title, width, hidden at first
  ["order_id", "OrderID", 134], ["entered", "Entered", 92], ["client", "Client", 78], ["account", "Account", 78],
  ["cl_ord_id", "ClOrdID", 92], ["symbol", "Symbol", 64], ["side", "Side", 62], ["type", "OrdType", 68],
  ["tif", "TimeInForce", 70, true], ["qty", "OrderQty", 70], ["price", "Price", 72], ["status", "OrdStatus", 124],
  ["cum", "CumQty", 68], ["leaves", "LeavesQty", 76], ["avg_px", "AvgPx", 76], ["venues", "At", 84],
  ["marks", "Marks", 84], ["notional", "Filled value", 110, true], ["at_venues", "At exchanges", 90, true],
  ["in_book", "In our book", 90, true], ["held", "Held", 80, true], ["destination", "ExDestination", 100, true],
  ["stop_px", "StopPx", 84, true], ["exec_inst", "ExecInst", 90, true], ["operator", "Entered by", 100, true],
];
const SIGNS = {
  PENDING_NEW: "○", NEW: "●", PARTIALLY_FILLED: "◐", FILLED: "✓", CANCELED: "✕", REJECTED: "⚠", EXPIRED: "⌛",
  DONE_FOR_DAY: "☾", PENDING_CANCEL: "⋯", PENDING_REPLACE: "⋯", STOPPED: "‖", SUSPENDED: "‖", CALCULATED: "=",
};
export const WORKING = new Set(["PENDING_NEW", "NEW", "PARTIALLY_FILLED", "PENDING_CANCEL", "PENDING_REPLACE",
  "STOPPED", "SUSPENDED"]);

const words = (name) => name.charAt(0) + name.slice(1).toLowerCase().replaceAll("_", " ");

// The row of what /data/orders tells, by its fields. Numbers stand beside their text, to be compared.
export function rowOf(fields, values) {
  const row = {};
  for (let at = 0; at < fields.length; at++) row[fields[at]] = values[at];
  for (const name of NUMBERS) row["n_" + name] = row[name] === "" ? null : Number(row[name]);
  const [day, shard, sequence] = row.order_id.split("-");
  // Of shards and before: one broker has but one of them.
  row.n_order_id = (Number(day) - 20000000) * 1e9 + Number(sequence ?? shard);
  return row;
}

// What the quick filter looks at.
export function textOf(row) {
  row.text ??= [row.order_id, row.client, row.account, row.cl_ord_id, row.symbol, row.side, row.status, row.venues,
    row.marks, row.destination, row.operator].join("\n").toLowerCase();
  return row.text;
}

// Times of a zone, quickly: the zone's offset is looked up once for each quarter of an hour.
export class Times {
  constructor(zone) {
    this.format = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", year: "numeric",
      month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" });
    this.offsets = new Map();
  }
  local(ms) {
    const quarter = Math.floor(ms / 900000);
    let offset = this.offsets.get(quarter);
    if (offset === undefined) {
      const part = Object.fromEntries(this.format.formatToParts(quarter * 900000).map((one) => [one.type, one.value]));
      offset = Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second) - quarter * 900000;
      this.offsets.set(quarter, offset);
    }
    return new Date(ms + offset).toISOString();
  }
  text(ms) {
    const local = this.local(ms), time = local.slice(11, 23);
    return local.slice(0, 10) === this.local(Date.now()).slice(0, 10) ? time : `${local.slice(5, 10)} ${time.slice(0, 8)}`;
  }
}

export const utc = (ms) => new Date(ms).toISOString().replace("T", " ").replace("Z", " UTC");

export function shown(field, row) {
  if (field === "status") return `${SIGNS[row.status] ?? ""} ${words(row.status)}`;
  if (field === "side") return row.side === "BUY" ? "▲ Buy" : "▼ Sell";
  if (field === "type") return words(row.type);
  return row[field];
}

function columnOf([field, title, width, hide], times, SetFilter) {
  const column = { colId: field, headerName: title, width, hide: Boolean(hide), headerTooltip: title };
  if (NUMBERS.includes(field)) {
    Object.assign(column, { field: "n_" + field, valueFormatter: (at) => at.data?.[field] ?? "", headerClass: "ag-right-aligned-header",
      filter: "agNumberColumnFilter", cellClass: "ag-right-aligned-cell" });
    if (["cum", "leaves"].includes(field)) column.enableCellChangeFlash = true;
    return column;
  }
  Object.assign(column, { field, filter: SETS.includes(field) ? SetFilter : "agTextColumnFilter" });
  if (field === "entered") {
    Object.assign(column, { valueFormatter: (at) => (at.data ? times.text(at.data.entered) : ""),
      tooltipValueGetter: (at) => (at.data ? utc(at.data.entered) : "") });
  } else if (["status", "side", "type"].includes(field)) {
    column.valueFormatter = (at) => (at.data ? shown(field, at.data) : "");
  } else if (["cl_ord_id", "marks", "venues"].includes(field)) {
    column.tooltipField = field;
  }
  if (field === "side") column.cellClass = (at) => (at.value === "BUY" ? "orders-buy" : "orders-sell");
  return column;
}

export function columnsOf(times, SetFilter) {
  return COLUMNS.map((one) => columnOf(one, times, SetFilter));
}

// A class for a row by how the order stands.
export const ROW_CLASSES = {
  "orders-doubt": (at) => at.data?.marks.includes("in doubt"),
  "orders-manual": (at) => at.data?.marks.includes("manual"),
  "orders-over": (at) => at.data !== undefined && !WORKING.has(at.data.status),
  "orders-bad": (at) => at.data?.status === "REJECTED",
};

// The rows as a CSV file (RFC 4180) of some columns, (field, title) each.
export function csvOf(columns, rows) {
  const line = (cells) => cells.map((cell) => `"${String(cell).replaceAll('"', '""')}"`).join(",");
  const lines = [columns.map((one) => one[1]), ...rows.map((row) => columns.map((one) => csvCell(one[0], row)))];
  return lines.map(line).join("\r\n") + "\r\n";
}

// A cell of it. A spreadsheet takes text that begins so for a formula: an apostrophe keeps it text.
export function csvCell(field, row) {
  if (NUMBERS.includes(field)) return row[field];
  if (field === "entered") return new Date(row.entered).toISOString();
  const text = String(row[field] ?? "");
  return /^[=+\-@\t\r\n]/.test(text) ? "'" + text : text;
}
