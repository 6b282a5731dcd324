// The blotter: a grid that fetches what has changed of the orders by itself, when it has shown what it had.

import * as AgGrid from "nicegui-aggrid";
import { Groups, ROW_CLASSES, Rows, SetFilter, Times, WORKING, boxesOf, columnsOf, csvOf, passes, rowOf, shown,
  textOf } from "brokerfix-blotter";

const LEAST_MS = 200, MOST_MS = 2000, SHARE = 3, HIDDEN_MS = 1000, TROUBLE_MS = 2000, MOST_CHOSEN = 1000, MOST_GROUPS = 200;
const BOXES = "chosen", NEWEST_FIRST = [{ colId: "order_id", sort: "desc" }];
const EMPTY = "There are no orders here. Clients' orders stand here as they come.";
const GROUPS = [["", "no groups"], ["account", "account"], ["client", "client"], ["symbol", "symbol"], ["side", "side"],
  ["status", "status"], ["venues", "exchange"]];
const SCOPES = { all: () => true, working: (row) => WORKING.has(row.status), held: (row) => row.n_held > 0,
  doubt: (row) => row.marks.includes("in doubt") };

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const painted = () => new Promise((done) => (document.hidden ? done() : requestAnimationFrame(() => setTimeout(done, 0))));

export default {
  template: `
    <div class="orders-blotter" @keydown="on_key">
      <div class="orders-bar">
        <input ref="quick" type="search" v-model="quick" placeholder="Find: words, all of them (/)" aria-label="Find orders">
        <label>Show <select v-model="scope" aria-label="Which orders are shown">
          <option value="all">all</option><option value="working">working</option>
          <option value="held">held with us</option><option value="doubt">in doubt</option></select></label>
        <label>Group by <select v-model="group" aria-label="Group by">
          <option v-for="[field, name] in groupings" :value="field">{{ name }}</option></select></label>
        <button v-if="only !== null" type="button" class="orders-chip" @click="only = null"
          :aria-label="'Show all groups again'">{{ group_name }} = {{ only_text }} ✕</button>
        <details class="orders-columns" ref="choosing"><summary>Columns</summary><div>
          <label v-for="one in columns"><input type="checkbox" :checked="!one.hide" @change="show_column(one)"> {{ one.title }}</label>
          <button type="button" @click="reset_columns">As at first</button></div></details>
        <span class="orders-counts" :class="{ 'orders-trouble': trouble }">{{ trouble || counts }}</span>
      </div>
      <div class="orders-body">
        <div ref="grid" class="orders-grid" :aria-label="label"></div>
        <div v-if="group" class="orders-groups">
          <table :aria-label="'Orders by ' + group_name"><thead><tr><th>{{ group_name }}</th><th>Orders</th>
            <th>OrderQty</th><th>CumQty</th><th>LeavesQty</th><th>Filled value</th></tr></thead>
          <tbody><tr v-for="one in groups" :key="one[0]" :class="{ chosen: one[0] === only }">
            <td><button type="button" :aria-pressed="one[0] === only" @click="choose(one[0])">{{ name_of(one[0]) }}</button></td>
            <td v-for="text in one.slice(1)">{{ text }}</td></tr></tbody></table>
        </div>
      </div>
    </div>`,
  props: { zone: String, state: Array, grouping: String, label: String },
  data() {
    return { quick: "", scope: "all", group: this.grouping, only: null, groups: [], counts: "loading", trouble: "",
      columns: [], groupings: GROUPS };
  },
  computed: {
    group_name() {
      return GROUPS.find((one) => one[0] === this.group)?.[1] ?? "";
    },
    only_text() {
      return this.name_of(this.only);
    },
  },
  watch: {
    quick() {
      this.later("quick", 200, this.filter);
    },
    scope() {
      this.filter();
    },
    group() {
      this.only = null;
      this.$emit("grouped", this.group);
      this.filter();
    },
    only() {
      this.filter();
    },
  },
  created() {
    // Rows are not Vue's: it would watch each of them.
    Object.assign(this, { timers: {}, sums: null, epoch: 0, words: [], day: "", is_over: false, summed: 0,
      rows: new Rows(), chosen: new Set(), times: new Times(this.zone), asked: "" });
    this.stopping = new AbortController();
  },
  mounted() {
    AgGrid.ModuleRegistry.registerModules([AgGrid.AllCommunityModule]);
    this.api = AgGrid.createGrid(this.$refs.grid, this.options());
    this.note_columns();
    this.slash = (event) => {
      if (event.key !== "/" || ["INPUT", "TEXTAREA", "SELECT"].includes(event.target.tagName)) return;
      event.preventDefault();
      this.$refs.quick.focus();
    };
    document.addEventListener("keydown", this.slash);
    this.aside = ({ target }) => this.$refs.choosing.contains(target) || (this.$refs.choosing.open = false);
    document.addEventListener("pointerdown", this.aside);
    document.addEventListener("focusin", this.aside);
    this.run();
  },
  unmounted() {
    this.is_over = true;
    this.stopping.abort();
    document.removeEventListener("keydown", this.slash);
    document.removeEventListener("pointerdown", this.aside);
    document.removeEventListener("focusin", this.aside);
    Object.values(this.timers).forEach(clearTimeout);
    this.api.destroy();
  },
  methods: {
    options() {
      const theme = AgGrid.themeQuartz.withParams({ fontFamily: "inherit", fontSize: 12.5, headerFontSize: 12,
        rowHeight: 26, headerHeight: 30, spacing: 5, backgroundColor: "var(--card)", foregroundColor: "var(--text)",
        chromeBackgroundColor: "var(--card)", borderColor: "var(--line)", accentColor: "var(--accent)",
        rowHoverColor: "var(--hover)", headerTextColor: "var(--soft)", wrapperBorderRadius: 4, browserColorScheme: "inherit" });
      // What a person does, not what is set for him.
      const later = ({ source, finished }) => source?.startsWith("ui") && finished !== false &&
        this.later("columns", 600, this.tell_columns);
      return {
        theme,
        context: { rows: this.rows },
        columnDefs: [boxesOf(this), ...columnsOf(this.times, SetFilter)],
        defaultColDef: { sortable: true, resizable: true, minWidth: 44 },
        // The grid asks for what it shows, out of ours: it would look at all there is with every change.
        rowModelType: "infinite",
        datasource: { getRows: this.give },
        cacheBlockSize: 100,
        maxBlocksInCache: 6,
        getRowId: (at) => at.data.order_id,
        rowClassRules: { ...ROW_CLASSES, "orders-chosen": (at) => this.chosen.has(at.data?.order_id) },
        animateRows: false,
        tooltipShowDelay: 400,
        overlayNoRowsTemplate: `<span>${EMPTY}</span>`,
        onGridReady: ({ api }) => api.applyColumnState(this.state.length ? { state: this.state, applyOrder: true }
          : { state: NEWEST_FIRST }),
        onCellClicked: ({ column, data }) => data && column.getColId() !== BOXES && this.$emit("opened", data.order_id),
        onCellKeyDown: this.on_cell_key,
        onColumnMoved: later, onColumnResized: later, onColumnVisible: later, onColumnPinned: later, onSortChanged: later,
      };
    },
    later(name, ms, call) {
      clearTimeout(this.timers[name]);
      this.timers[name] = setTimeout(call, ms);
    },

    // Fetching

    async run() {
      while (!this.is_over) {
        const began = performance.now(), epoch = this.epoch;
        let wait = document.hidden ? HIDDEN_MS : LEAST_MS;
        this.showing = began;
        try {
          await (this.day ? this.load_day() : this.pull());
          // Chosen while it fetched what there is now, a day has yet to be loaded.
          if (this.day && epoch === this.epoch) await this.moved();
          this.trouble = "";
        } catch (error) {
          if (this.is_over) return;
          this.trouble = `nothing new: ${error.message}`;
          wait = TROUBLE_MS;
        }
        await painted();
        // Where that takes long, most of the time is left to whoever scrolls and types.
        const now = performance.now();
        await sleep(Math.max(wait - (now - began), Math.min(SHARE * (now - this.showing), MOST_MS)));
      }
    },
    async fetched(path) {
      const signal = AbortSignal.any([this.stopping.signal, AbortSignal.timeout(60000)]);
      const reply = await fetch(path, { signal, headers: { Accept: "application/json" } });
      if (reply.status === 401) throw new Error("log in again");
      const told = await reply.json().catch(() => ({}));
      if (!reply.ok) throw new Error(told.trouble ?? `the console says ${reply.status}`);
      this.showing = performance.now();
      return told;
    },
    async pull() {
      const epoch = this.epoch;
      let told = await this.fetched(`/data/orders?since=${this.version ?? 0}&generation=${this.generation ?? 0}`);
      if (epoch !== this.epoch) return;
      if (told.generation === this.generation) return this.take(told);
      // All of it: what comes first is shown at once, and all when it is there.
      const rows = [];
      for (;;) {
        for (const values of told.rows) rows.push(rowOf(told.fields, values));
        this.generation = told.generation;
        this.version = told.version;
        if (rows.length === told.rows.length) this.show_all(rows.slice());
        if (!told.more) break;
        this.counts = `loading ${rows.length.toLocaleString("en-GB")} orders`;
        told = await this.fetched(`/data/orders?since=${this.version}&generation=${this.generation}`);
        if (epoch !== this.epoch) return;
        if (told.generation !== this.generation) {
          this.generation = undefined;
          return;
        }
      }
      // One that has changed meanwhile has come twice: the later one holds.
      if (rows.length > told.rows.length) this.show_all([...new Map(rows.map((row) => [row.order_id, row])).values()]);
    },
    async load_day() {
      const epoch = this.epoch, rows = [];
      let after = "";
      do {
        const told = await this.fetched(`/data/orders/of/${this.day}?after=${after}`);
        if (epoch !== this.epoch) return;
        for (const values of told.rows) rows.push(rowOf(told.fields, values));
        after = told.more ? rows.at(-1).order_id : "";
        this.counts = `loading ${rows.length.toLocaleString("en-GB")} orders`;
      } while (after);
      this.show_all(rows);
    },
    moved() {
      return new Promise((done) => (this.wake = done));
    },
    show_day(day) {
      this.day = day;
      this.epoch++;
      this.generation = this.version = undefined;
      this.only = null;
      this.show_all([]);
      this.counts = "loading";
      this.wake?.();
    },

    // Showing

    // What the grid asks for: some of the rows by its sort and filters.
    give({ startRow, endRow, sortModel, filterModel, successCallback }) {
      const asked = JSON.stringify([sortModel, filterModel]);
      if (asked !== this.asked) {
        this.asked = asked;
        this.filters = Object.entries(filterModel);
        this.rows.show(this.check, sortModel);
        this.count();
      }
      successCallback(this.rows.shown.slice(startRow, endRow), this.rows.shown.length);
    },
    // Whether a row is shown at all.
    check(row) {
      return this.passes(row) && this.is_of_group(row) && (this.filters ?? []).every(([field, model]) =>
        passes(model, field === "entered" ? this.times.text(row.entered)
          : model.filterType === "number" || model.conditions?.[0].filterType === "number" ? row["n_" + field] : row[field]));
    },
    show_all(rows) {
      this.rows.fill(rows);
      this.sum_all();
      this.refresh();
    },
    take(told) {
      this.version = told.version;
      if (!told.rows.length) return;
      const rows = told.rows.map((values) => rowOf(told.fields, values));
      for (const row of this.sums === null ? [] : rows) {
        const before = this.rows.by_id.get(row.order_id);
        if (before !== undefined && this.passes(before)) this.sums.add(before, -1);
        if (this.passes(row)) this.sums.add(row);
      }
      const { same, is_other } = this.rows.take(rows);
      for (const row of same) this.api.getRowNode(row.order_id)?.updateData(row);
      if (is_other) this.refresh();
      this.show_sums();
    },
    refresh() {
      this.api.refreshInfiniteCache();
      this.count();
    },
    passes(row) {
      return SCOPES[this.scope](row) && this.words.every((word) => textOf(row).includes(word));
    },
    is_of_group(row) {
      if (this.only === null) return true;
      return this.group === "venues" ? row.venues.split(" ").includes(this.only) : row[this.group] === this.only;
    },
    filter() {
      this.words = this.quick.toLowerCase().split(/\s+/).filter(Boolean);
      this.rows.show(this.check);
      this.sum_all();
      this.refresh();
    },
    sum_all() {
      this.sums = this.group ? new Groups(this.group) : null;
      this.summed = 0;
      if (this.sums !== null) for (const row of this.rows.by_id.values()) if (this.passes(row)) this.sums.add(row);
      this.show_sums();
    },
    show_sums() {
      if (this.sums === null) return;
      if (performance.now() - this.summed < 500) return this.later("sums", 500, this.show_sums);
      this.summed = performance.now();
      this.groups = this.sums.largest(MOST_GROUPS);
    },
    choose(name) {
      this.only = this.only === name ? null : name;
    },
    name_of(name) {
      return name === null ? "" : shown(this.group, { [this.group]: name }) || "(none)";
    },
    count() {
      const there = this.rows.shown.length, number = (count) => count.toLocaleString("en-GB");
      this.counts = there === this.rows.size ? `${number(there)} orders` : `${number(there)} of ${number(this.rows.size)} orders`;
      if (there) this.api.hideOverlay();
      else this.api.showNoRowsOverlay();
      if (this.day) this.counts += `, ${this.day}, out of the database`;
    },

    // What is told of

    on_cell_key({ event, data }) {
      if (data === undefined) return;
      if (event.key === "Enter") this.$emit("opened", data.order_id);
      else if (event.key === " ") {
        event.preventDefault();
        this.tick([data], !this.chosen.has(data.order_id));
      }
    },
    // Choose orders, or no longer.
    tick(rows, is_chosen) {
      for (const { order_id } of rows) {
        if (is_chosen) this.chosen.add(order_id);
        else this.chosen.delete(order_id);
      }
      this.api.redrawRows();
      this.api.refreshHeader();
      this.later("selected", 50, () => this.$emit("selected", { count: this.chosen.size,
        orders: [...this.chosen].slice(0, MOST_CHOSEN) }));
    },
    tell_columns() {
      this.note_columns();
      const kept = this.api.getColumnState().filter((one) => one.colId !== BOXES);
      this.$emit("columns", kept.map(({ colId, width, hide, sort, sortIndex, pinned }) => ({ colId, width, hide, sort,
        sortIndex, pinned })));
    },
    note_columns() {
      this.columns = this.api.getColumnState().filter((one) => one.colId !== BOXES).map(({ colId, hide }) => ({
        colId, hide, title: this.api.getColumnDef(colId).headerName }));
    },
    show_column(one) {
      this.api.setColumnsVisible([one.colId], one.hide);
      this.tell_columns();
    },
    reset_columns() {
      this.api.resetColumnState();
      this.api.applyColumnState({ state: NEWEST_FIRST });
      this.tell_columns();
    },
    on_key(event) {
      if (["INPUT", "SELECT", "BUTTON"].includes(event.target.tagName)) return;
      if (event.key === "Delete") this.$emit("asked", "cancel");
      else if (event.key === "Escape") this.$emit("asked", "close");
    },
    deselect() {
      this.tick([...this.rows.by_id.values()], false);
    },
    save() {
      const ids = this.api.getAllDisplayedColumns().map((one) => one.getColId()).filter((id) => id !== BOXES);
      const text = csvOf(ids.map((id) => [id, this.api.getColumnDef(id).headerName]), this.rows.shown);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
      link.download = `orders-${this.day || new Date().toISOString().slice(0, 10)}.csv`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    },
  },
};
