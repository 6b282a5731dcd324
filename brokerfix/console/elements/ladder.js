// The ladder: prices in the middle, what is bid to the left and asked to the right, and the exchanges that are behind it.

const LEAST_MS = 250, HIDDEN_MS = 1000, TROUBLE_MS = 1000, LEVELS = 10;

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const painted = () => new Promise((done) => (document.hidden ? done() : requestAnimationFrame(() => setTimeout(done, 0))));

export default {
  template: `
    <div class="market-depth" :class="{ 'market-old': trouble }">
      <div class="market-head" role="status" aria-label="Best prices">
        <div v-for="one in figures" class="figure"><div class="soft">{{ one[0] }}</div><div class="number" :class="one[2]">{{ one[1] }}</div></div>
      </div>
      <div v-if="trouble" class="bad market-trouble" role="alert">! {{ trouble }}</div>
      <div v-if="!trouble && !rows.length" class="soft market-empty">{{ empty }}</div>
      <table v-if="rows.length" class="market-ladder" :aria-label="'Depth of ' + symbol">
        <caption class="soft">{{ caption }}
          <button v-if="only" type="button" @click="only = ''">all exchanges together</button></caption>
        <thead><tr><th class="market-who">Bid by</th><th class="market-qty">Bid size</th><th class="market-price">Price</th>
          <th class="market-qty">Ask size</th><th class="market-who">Asked by</th></tr></thead>
        <tbody><tr v-for="row in rows" :key="row.price" :class="row.mark">
          <td class="market-who"><span v-for="one in row.bid_by" class="market-badge" :class="{ best: row.best_bid }" :title="one[1]">{{ one[0] }}</span>
            <span v-if="row.best_ask && !row.bid" class="market-best">best ask</span>
            <span v-if="row.bid_own" class="market-own">ours {{ row.bid_own }}</span></td>
          <td class="market-qty market-bid"><i :style="{ width: row.bid_share + '%' }"></i><b>{{ row.bid }}</b></td>
          <td class="market-price">{{ row.text }}</td>
          <td class="market-qty market-ask"><i :style="{ width: row.ask_share + '%' }"></i><b>{{ row.ask }}</b></td>
          <td class="market-who"><span v-for="one in row.ask_by" class="market-badge" :class="{ best: row.best_ask }" :title="one[1]">{{ one[0] }}</span>
            <span v-if="row.best_bid && !row.ask" class="market-best">best bid</span>
            <span v-if="row.ask_own" class="market-own">ours {{ row.ask_own }}</span></td>
        </tr></tbody>
      </table>
      <table v-if="exchanges.length" class="market-exchanges" aria-label="Exchanges behind the depth">
        <thead><tr><th>Exchange</th><th>Its quotes</th><th class="number">Told last</th><th class="number">Bid</th>
          <th class="number">Ask</th><th>Why not</th></tr></thead>
        <tbody><tr v-for="one in exchanges" :key="one.name">
          <td><button type="button" :aria-pressed="only === one.name" @click="only = only === one.name ? '' : one.name">{{ one.name }}</button></td>
          <td><span class="pill" :class="one.kind">{{ one.state }}</span></td>
          <td class="number" :class="one.age_kind">{{ one.age }}</td><td class="number">{{ one.bid }}</td>
          <td class="number">{{ one.ask }}</td><td class="market-why">{{ one.why }}</td>
        </tr></tbody>
      </table>
    </div>`,
  props: { symbol: String },
  data() {
    return { told: null, trouble: "", only: "", heard: 0 };
  },
  watch: {
    symbol() {
      this.told = null;
      this.only = "";
    },
  },
  computed: {
    figures() {
      const told = this.told;
      if (!told) return [];
      const bid = told.bids[0], ask = told.asks[0], day = told.day;
      const spread = bid && ask ? ask[0] - bid[0] : null;
      const crossed = spread === null ? "" : spread < 0 ? "! crossed " : spread === 0 ? "! locked " : "";
      return [
        ["Bid", bid ? `${this.price(bid[0])} × ${this.qty(bid[1])}` : "none", "buy"],
        ["Ask", ask ? `${this.price(ask[0])} × ${this.qty(ask[1])}` : "none", "sell"],
        ["Spread", spread === null ? "-" : crossed + this.price(spread), crossed ? "bad" : ""],
        ["Last", told.last ? `${this.price(told.last[0])} × ${this.qty(told.last[1])}` : "none yet", ""],
        ["Day's low to high", day ? `${this.price(day[2])} to ${this.price(day[1])}` : "no trade yet", ""],
        ["Volume", day ? this.qty(day[3]) : "0", ""],
        ["Phase", told.halted ? "! halted" : told.phase, told.halted ? "bad" : ""],
      ];
    },
    caption() {
      const own = this.told?.own === null ? "; too many orders of ours to say which are" : "";
      return this.only ? `What ${this.only} alone shows` : `All that counts, together${own}`;
    },
    empty() {
      return this.told ? `No exchange shows a price of ${this.symbol} that counts, and our book has none: what is quoted will stand here.`
        : `Asking for ${this.symbol} ...`;
    },
    rows() {
      const told = this.told;
      if (!told) return [];
      const alone = told.exchanges.find((one) => one.exchange === this.only);
      const as_parts = (levels) => levels.map(([price, qty]) => [price, qty, { [this.only]: qty }]);
      const bids = (alone ? as_parts(alone.bids) : told.bids).slice(0, LEVELS);
      const asks = (alone ? as_parts(alone.asks) : told.asks).slice(0, LEVELS);
      const most = Math.max(1, ...bids.map((one) => one[1]), ...asks.map((one) => one[1]));
      const own = told.own ?? { bids: {}, asks: {} }, found = new Map();
      const row = (price) => {
        if (!found.has(price)) found.set(price, { price, text: this.price(price), bid: "", ask: "", bid_by: [], ask_by: [],
          bid_share: 0, ask_share: 0, bid_own: "", ask_own: "", best_bid: false, best_ask: false, mark: "" });
        return found.get(price);
      };
      for (const [side, levels] of [["bid", bids], ["ask", asks]]) {
        levels.forEach(([price, qty, parts], index) => {
          const one = row(price);
          one[side] = this.qty(qty);
          one[`${side}_share`] = Math.round((100 * qty) / most);
          one[`${side}_by`] = Object.entries(parts).map(([name, part]) => [name || "our book", `${name || "our own book"} ${this.qty(part)}`]);
          const ours = own[`${side}s`][price];
          one[`${side}_own`] = ours ? this.qty(ours) : "";
          one[`best_${side}`] = index === 0;
          if (index === 0) one.mark = `market-top-${side}`;
        });
      }
      return [...found.values()].sort((a, b) => b.price - a.price);
    },
    exchanges() {
      return (this.told?.exchanges ?? []).map((one) => {
        const age = one.age_ms === null ? null : one.age_ms / 1000;
        const late = one.max_age_ms && one.age_ms > one.max_age_ms / 2;
        return {
          name: one.exchange,
          state: !one.up ? "✕ down" : one.stale ? "✕ stale" : !one.counts ? "! left out" : !one.routed ? "! not routed to" : "✓ count",
          kind: !one.up || one.stale ? "bad" : !one.counts || !one.routed ? "warn" : "good",
          age: age === null ? "nothing yet" : age < 100 ? `${age.toFixed(1)} s ago` : `${Math.round(age / 60)} min ago`,
          age_kind: one.stale ? "bad" : late ? "warn" : "",
          bid: one.bids.length ? this.price(one.bids[0][0]) : "-",
          ask: one.asks.length ? this.price(one.asks[0][0]) : "-",
          why: one.why,
        };
      });
    },
  },
  mounted() {
    this.run();
  },
  unmounted() {
    this.over = true;
  },
  methods: {
    async run() {
      while (!this.over) {
        if (document.hidden) {
          await sleep(HIDDEN_MS);
          continue;
        }
        const fine = await this.fetch_once();
        await painted();
        await sleep(fine ? LEAST_MS : TROUBLE_MS);
      }
    },
    async fetch_once() {
      const symbol = this.symbol;
      try {
        const answer = await fetch(`/data/market/depth?symbol=${encodeURIComponent(symbol)}`);
        if (!answer.ok || answer.redirected) throw new Error(`the console answers ${answer.status}`);
        const told = await answer.json();
        if (symbol !== this.symbol) return true;
        if (told.trouble) throw new Error(told.trouble);
        this.told = told;
        this.trouble = "";
        this.heard = Date.now();
        return true;
      } catch (error) {
        const old = this.heard ? `; what is shown is ${Math.round((Date.now() - this.heard) / 1000)} s old` : "";
        if (symbol === this.symbol) this.trouble = `${error.message}${this.told ? old : ""}`;
        return false;
      }
    },
    price(ticks) {
      return scaled(ticks, this.told.price_digits);
    },
    qty(amount) {
      return scaled(amount, this.told.qty_digits, true);
    },
  },
};

function scaled(value, digits, grouped = false) {
  return (value / 10 ** digits).toLocaleString("en-GB", { minimumFractionDigits: grouped ? 0 : digits,
    maximumFractionDigits: digits, useGrouping: grouped });
}
