// A table with pills and bars. Whatever a cell has is only ever text.
export default {
  template: `
    <div class="listing">
      <table :aria-label="label">
        <thead><tr>
          <th v-for="column in columns" :key="column.field" scope="col" :class="{ right: column.is_number }"
              :title="column.tip || null" :aria-sort="sortOf(column.field)">
            <button type="button" @click="sort(column.field)">{{ column.title
              }}<span aria-hidden="true">{{ arrow(column.field) }}</span></button>
          </th>
        </tr></thead>
        <tbody>
          <tr v-for="row in sorted" :key="row[rowKey]" :class="{ pick: picks, picked: row[rowKey] === picked }"
              :tabindex="picks ? 0 : null" :aria-selected="picks ? row[rowKey] === picked : null"
              :data-key="row[rowKey]" @click="pick(row)" @keydown.enter.prevent="pick(row)"
              @keydown.space.prevent="pick(row)">
            <td v-for="column in columns" :key="column.field" :class="{ right: column.is_number }">
              <template v-if="isPlain(row[column.field])">{{ row[column.field] }}</template>
              <span v-else-if="row[column.field].pill" :class="['pill', row[column.field].kind]">{{
                row[column.field].text }}</span>
              <div v-else-if="row[column.field].percent !== undefined" :class="['bar', row[column.field].kind]">
                <span :style="{ width: row[column.field].percent + '%' }"></span><b>{{ row[column.field].text }}</b>
              </div>
              <span v-else :class="row[column.field].kind">{{ row[column.field].text }}</span>
            </td>
          </tr>
        </tbody>
      </table>
      <p v-if="!rows.length" class="soft">{{ empty }}</p>
    </div>`,
  props: {
    columns: Array, rows: Array, rowKey: String, label: String, empty: String, picks: Boolean, picked: String,
  },
  data() {
    return { by: "", down: false };
  },
  computed: {
    sorted() {
      if (!this.by) return this.rows;
      const sign = this.down ? -1 : 1;
      return [...this.rows].sort((one, other) => sign * this.compare(one[this.by], other[this.by]));
    },
  },
  methods: {
    isPlain(cell) {
      return cell === null || typeof cell !== "object";
    },
    text(cell) {
      return String((this.isPlain(cell) ? cell : cell.text) ?? "");
    },
    number(cell) {
      if (!this.isPlain(cell) && cell.percent !== undefined) return cell.percent;
      const text = this.text(cell).replaceAll(",", "").replace(/ ?%$/, "").replace("−", "-");
      return text === "" ? -Infinity : Number(text);
    },
    compare(one, other) {
      const first = this.number(one), second = this.number(other);
      if (!Number.isNaN(first) && !Number.isNaN(second)) return first === second ? 0 : first < second ? -1 : 1;
      return this.text(one).localeCompare(this.text(other));
    },
    sort(field) {
      // Up, down, and as they came.
      if (this.by !== field) [this.by, this.down] = [field, false];
      else if (!this.down) this.down = true;
      else this.by = "";
    },
    sortOf(field) {
      return this.by !== field ? null : this.down ? "descending" : "ascending";
    },
    arrow(field) {
      return this.by !== field ? "" : this.down ? " ▾" : " ▴";
    },
    pick(row) {
      if (this.picks) this.$emit("pick", row[this.rowKey]);
    },
  },
};
