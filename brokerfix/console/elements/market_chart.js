// The day's candles of a symbol, with volume, the market's prints and our own fills.

import { echarts } from "nicegui-echart";

const LEAST_MS = 1000, HIDDEN_MS = 2000, TROUBLE_MS = 3000, MOST_MARKS = 1000, SHOWN_BARS = 120;

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const painted = () => new Promise((done) => (document.hidden ? done() : requestAnimationFrame(() => setTimeout(done, 0))));

export default {
  template: `
    <div class="market-chart">
      <div v-if="note" class="market-note" :class="trouble ? 'bad' : 'soft'" role="status">{{ note }}</div>
      <div ref="chart" class="market-canvas" role="img" :aria-label="label"></div>
    </div>`,
  props: { symbol: String, minutes: Number, kind: String, zone: String },
  data() {
    return { trouble: "", count: 0, fills: 0, forgotten: false, last: "" };
  },
  computed: {
    note() {
      if (this.trouble) return `! ${this.trouble}`;
      if (this.count) return "";
      if (this.forgotten) return `What ${this.symbol} did earlier today is no longer kept here; its next trades will stand here.`;
      return this.kind === "mid" ? `No price of ${this.symbol} is on record today yet: its candles will stand here.`
        : `No trade of ${this.symbol} is on record today yet: its candles will stand here.`;
    },
    label() {
      return `${this.symbol}: ${this.count} candles of ${this.minutes} min of ${this.kind}, ${this.fills} fills of ours${this.last}`;
    },
  },
  watch: {
    symbol: "begin",
    minutes: "begin",
    kind: "begin",
  },
  mounted() {
    this.clock = new Intl.DateTimeFormat("en-GB", { timeZone: this.zone, hour: "2-digit", minute: "2-digit" });
    this.clock_s = new Intl.DateTimeFormat("en-GB", { timeZone: this.zone, hour: "2-digit", minute: "2-digit", second: "2-digit" });
    this.chart = echarts.init(this.$refs.chart, null, { renderer: "canvas" });
    this.resizing = new ResizeObserver(() => this.chart.resize());
    this.resizing.observe(this.$refs.chart);
    this.dark = new MutationObserver(() => this.draw(true));
    this.dark.observe(document.body, { attributes: true, attributeFilter: ["class"] });
    this.begin();
    this.run();
  },
  unmounted() {
    this.over = true;
    this.resizing.disconnect();
    this.dark.disconnect();
    this.chart.dispose();
  },
  methods: {
    begin() {
      this.got = { key: `${this.symbol} ${this.minutes} ${this.kind}`, bars: [], fills: [], prints: [], after: "", day: 0, digits: [0, 0] };
      this.count = this.fills = 0;
      this.trouble = this.last = "";
      this.forgotten = false;
      this.hurry = true;
      this.draw(true);
    },
    async run() {
      while (!this.over) {
        if (document.hidden) {
          await sleep(HIDDEN_MS);
          continue;
        }
        this.hurry = false;
        const fine = await this.fetch_once();
        await painted();
        for (let waited = 0; waited < (fine ? LEAST_MS : TROUBLE_MS) && !this.hurry && !this.over; waited += 100) await sleep(100);
      }
    },
    async fetch_once() {
      const got = this.got, bars = got.bars, since = bars.length ? bars[bars.length - 1][0] : 0;
      const asked = new URLSearchParams({ symbol: this.symbol, minutes: this.minutes, kind: this.kind, since, after: got.after });
      try {
        const answer = await fetch(`/data/market/bars?${asked}`);
        if (!answer.ok || answer.redirected) throw new Error(`the console answers ${answer.status}`);
        const told = await answer.json();
        if (this.over || got !== this.got) return true;
        if (told.trouble) throw new Error(told.trouble);
        this.trouble = "";
        if (got.day && told.day !== got.day) {
          this.begin();
          return true;
        }
        this.take(told);
        return true;
      } catch (error) {
        if (got === this.got) this.trouble = error.message;
        return false;
      }
    },
    take(told) {
      const got = this.got;
      got.day = told.day;
      got.digits = [told.price_digits, told.qty_digits];
      this.forgotten = told.forgotten;
      const before = JSON.stringify(got.bars[got.bars.length - 1]);
      const same = told.bars.length === 1 && JSON.stringify(told.bars[0]) === before;
      if (!told.prints.length && !told.fills.length && (same || !told.bars.length)) return;
      if (told.bars.length) {
        while (got.bars.length && got.bars[got.bars.length - 1][0] >= told.bars[0][0]) got.bars.pop();
        got.bars.push(...told.bars);
      }
      got.prints = [...got.prints, ...told.prints].slice(-MOST_MARKS);
      got.fills = [...got.fills, ...told.fills].slice(-MOST_MARKS);
      got.after = told.after;
      const first = !this.count;
      this.count = got.bars.length;
      this.fills = got.fills.length;
      const bar = got.bars[got.bars.length - 1];
      this.last = bar ? `; the last closes at ${this.price(bar[4])}` : "";
      this.draw(first);
    },
    price(ticks) {
      return (ticks / 10 ** this.got.digits[0]).toFixed(this.got.digits[0]);
    },
    // The candle that a moment (ms) belongs to, as the axis knows it; undefined where there is none.
    place(ms) {
      const minute = Math.floor(ms / 60000);
      return `${minute - (minute % this.minutes)}`;
    },
    draw(whole) {
      if (!this.chart) return;
      const { bars, fills, prints, digits } = this.got, css = getComputedStyle(document.body);
      const colour = (name) => css.getPropertyValue(name).trim();
      const scale = 10 ** digits[0], size = 10 ** digits[1];
      const names = bars.map((bar) => `${bar[0]}`), known = new Set(names);
      const marks = (side) => fills.filter((one) => one[3] === side && known.has(this.place(one[0])))
        .map((one) => ({ value: [this.place(one[0]), one[1] / scale], told: one }));
      const dots = prints.filter((one) => known.has(this.place(one[0]))).map((one) => ({ value: [this.place(one[0]), one[1] / scale], told: one }));
      const rises = colour("--buy"), falls = colour("--sell"), text = colour("--soft"), line = colour("--line");
      const at = (name) => (name === undefined || name === "" ? "" : this.clock.format(new Date(Number(name) * 60000)));
      const axis = { type: "category", data: names, axisLine: { lineStyle: { color: line } }, axisTick: { show: false } };
      const series = [
        { name: "Candles", type: "candlestick", barMaxWidth: 22, data: bars.map((bar) => [bar[1], bar[4], bar[3], bar[2]].map((one) => one / scale)),
          itemStyle: { color: rises, borderColor: rises, color0: falls, borderColor0: falls } },
        { name: "Volume", type: "bar", barMaxWidth: 22, xAxisIndex: 1, yAxisIndex: 1, data: bars.map((bar) => bar[5] / size), itemStyle: { color: text, opacity: 0.55 } },
        { name: "Market trades", type: "scatter", data: dots, symbolSize: 4, itemStyle: { color: text, opacity: 0.7 } },
        { name: "Our buys", type: "scatter", data: marks("buy"), symbol: "triangle", symbolSize: 10, symbolOffset: [0, 9],
          itemStyle: { color: rises, borderColor: colour("--card"), borderWidth: 1 } },
        { name: "Our sells", type: "scatter", data: marks("sell"), symbol: "triangle", symbolRotate: 180, symbolSize: 10, symbolOffset: [0, -9],
          itemStyle: { color: falls, borderColor: colour("--card"), borderWidth: 1 } },
      ];
      const options = {
        animation: false,
        textStyle: { color: text, fontFamily: "Roboto, sans-serif" },
        legend: { top: 0, textStyle: { color: text }, itemWidth: 14, itemHeight: 8, data: series.slice(2).map((one) => one.name) },
        grid: [{ left: 8, right: 62, top: 26, height: "60%" }, { left: 8, right: 62, top: "76%", height: "12%" }],
        xAxis: [{ ...axis, axisLabel: { show: false } }, { ...axis, gridIndex: 1, axisLabel: { color: text, formatter: at } }],
        yAxis: [
          { scale: true, position: "right", axisLabel: { color: text, formatter: (value) => value.toFixed(digits[0]) }, splitLine: { lineStyle: { color: line } } },
          { gridIndex: 1, position: "right", axisLabel: { color: text, hideOverlap: true }, splitNumber: 2, splitLine: { show: false } },
        ],
        axisPointer: { link: [{ xAxisIndex: "all" }], label: { formatter: (told) => (told.axisDimension === "x" ? at(told.value) : Number(told.value).toFixed(digits[0])) } },
        tooltip: { trigger: "axis", axisPointer: { type: "cross" }, backgroundColor: colour("--card"), borderColor: line,
          textStyle: { color: colour("--text"), fontSize: 12 }, formatter: (told) => this.told_of(told) },
        series,
      };
      if (whole) {
        const start = Math.max(0, 100 - (100 * SHOWN_BARS) / Math.max(1, bars.length));
        options.dataZoom = [{ type: "inside", xAxisIndex: [0, 1], start, end: 100 },
          { type: "slider", xAxisIndex: [0, 1], height: 16, bottom: 2, start, end: 100, labelFormatter: (index, name) => at(name),
            textStyle: { color: text }, borderColor: line }];
      }
      this.chart.setOption(options, { notMerge: whole });
    },
    told_of(told) {
      const list = Array.isArray(told) ? told : [told], lines = [], safe = echarts.format.encodeHTML;
      const minute = list[0]?.axisValue;
      if (minute !== undefined) lines.push(safe(this.clock.format(new Date(Number(minute) * 60000))));
      const number = (value) => Number(value).toFixed(this.got.digits[0]), qty = (value) => `${value / 10 ** this.got.digits[1]}`;
      let prints = 0;
      for (const one of list) {
        const fact = one.data?.told;
        if (one.seriesType === "candlestick") {
          const [, open, close, low, high] = one.value;
          lines.push(`open ${number(open)} high ${number(high)} low ${number(low)} close ${number(close)}`);
        } else if (one.seriesName === "Volume") lines.push(`volume ${safe(`${one.value}`)}`);
        else if (fact && fact.length > 3 && lines.length < 12)
          lines.push(safe(`${this.clock_s.format(new Date(fact[0]))} we ${fact[3] === "buy" ? "bought" : "sold"} ${qty(fact[2])} at ${this.price(fact[1])} ${fact[4] ? `at ${fact[4]}` : "in our book"}`));
        else if (fact) prints += 1;
      }
      if (prints) lines.push(`${prints} prints of the market's`);
      return lines.join("<br>");
    },
  },
};
