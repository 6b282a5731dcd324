// Sums by a field, kept as orders come and change. Amounts are exact: they are added up as whole numbers.

const AMOUNTS = ["qty", "cum", "leaves", "notional"];

class Sum {
  constructor() {
    this.count = 0;
    this.totals = AMOUNTS.map(() => new Map());
  }
  add(row, sign) {
    this.count += sign;
    for (let at = 0; at < AMOUNTS.length; at++) {
      const text = row[AMOUNTS[at]];
      if (text === "" || text === "0") continue;
      const point = text.indexOf("."), digits = point < 0 ? 0 : text.length - point - 1;
      const whole = BigInt(point < 0 ? text : text.replace(".", ""));
      this.totals[at].set(digits, (this.totals[at].get(digits) ?? 0n) + (sign > 0 ? whole : -whole));
    }
  }
  texts() {
    return this.totals.map((totals) => amountOf(totals));
  }
}

// A sum of whole numbers by how many digits they have behind the point, as decimal text.
export function amountOf(totals) {
  const most = Math.max(0, ...totals.keys());
  let total = 0n;
  for (const [digits, whole] of totals) total += whole * 10n ** BigInt(most - digits);
  const sign = total < 0n ? "-" : "", text = (total < 0n ? -total : total).toString().padStart(most + 1, "0");
  const whole = text.slice(0, text.length - most).replace(/\B(?=(\d{3})+$)/g, ","), part = text.slice(text.length - most);
  return sign + whole + (part.replace(/0+$/, "") ? "." + part : "");
}

export class Groups {
  constructor(field) {
    this.field = field;
    this.sums = new Map();
  }
  names(row) {
    return this.field === "venues" ? (row.venues === "" ? [""] : row.venues.split(" ")) : [row[this.field]];
  }
  add(row, sign = 1) {
    for (const name of this.names(row)) {
      let sum = this.sums.get(name);
      if (sum === undefined) this.sums.set(name, (sum = new Sum()));
      sum.add(row, sign);
      if (sum.count === 0) this.sums.delete(name);
    }
  }
  // The largest groups: name, count and the sums as text.
  largest(most) {
    const found = [...this.sums].sort((a, b) => b[1].count - a[1].count).slice(0, most);
    return found.map(([name, sum]) => [name, sum.count.toLocaleString("en-GB"), ...sum.texts()]);
  }
}
