-- fits: 1
-- The tables as they were at first. Shards and, of what is written once, trading days have partitions of their own,
-- which are made when they are needed.

create table brokerfix.orders (
    shard smallint not null,
    order_id text collate "C" not null,
    cl_ord_id text collate "C",
    client text collate "C",
    account text collate "C",
    symbol text collate "C",
    side text collate "C",
    ord_type text collate "C",
    time_in_force text collate "C",
    qty numeric,
    price numeric,
    status text collate "C",
    cum_qty numeric,
    leaves_qty numeric,
    avg_px numeric,
    in_book numeric,
    at_venues numeric,
    entered timestamptz,
    stop_px numeric,
    min_qty numeric,
    max_floor numeric,
    expire_time timestamptz,
    expire_date text collate "C",
    peg_offset numeric,
    limit_px numeric,
    exec_inst text collate "C",
    ex_destination text collate "C",
    cash_order_qty numeric,
    manual integer,
    primary key (shard, order_id)
) partition by list (shard);

create table brokerfix.child_orders (
    shard smallint not null,
    child_id text collate "C" not null,
    order_id text collate "C",
    venue text collate "C",
    venue_order_id text collate "C",
    symbol text collate "C",
    side text collate "C",
    qty numeric,
    price numeric,
    time_in_force text collate "C",
    status text collate "C",
    cum_qty numeric,
    leaves_qty numeric,
    in_doubt integer,
    primary key (shard, child_id)
) partition by list (shard);

create table brokerfix.executions (
    shard smallint not null,
    exec_id text collate "C" not null,
    at timestamptz,
    order_id text collate "C",
    cl_ord_id text collate "C",
    client text collate "C",
    account text collate "C",
    symbol text collate "C",
    side text collate "C",
    last_qty numeric,
    last_px numeric,
    venue text collate "C",
    venue_exec_id text collate "C",
    state text collate "C",
    changed_by text collate "C",
    fee numeric,
    primary key (shard, exec_id)
) partition by list (shard);

create table brokerfix.positions (
    shard smallint not null,
    account text collate "C" not null,
    symbol text collate "C" not null,
    qty numeric,
    bought numeric,
    sold numeric,
    mark numeric,
    open_buy_qty numeric,
    open_sell_qty numeric,
    primary key (shard, account, symbol)
);

create table brokerfix.accounts (
    shard smallint not null,
    account text collate "C" not null,
    paid_in numeric,
    cash numeric,
    buying_power numeric,
    kind text collate "C",
    standing text collate "C",
    balances json,
    equity numeric,
    maintenance numeric,
    excess numeric,
    credit numeric,
    checks_power integer,
    limits json,
    primary key (shard, account)
);

create table brokerfix.quotes (
    shard smallint not null,
    id text collate "C" not null,
    at timestamptz,
    symbol text collate "C",
    bid_px numeric,
    bid_qty numeric,
    ask_px numeric,
    ask_qty numeric,
    mark numeric,
    primary key (shard, id)
) partition by list (shard);

create table brokerfix.trades (
    shard smallint not null,
    id text collate "C" not null,
    at timestamptz,
    symbol text collate "C",
    qty numeric,
    price numeric,
    venue text collate "C",
    primary key (shard, id)
) partition by list (shard);

create table brokerfix.books (
    shard smallint not null,
    symbol text collate "C" not null,
    at timestamptz,
    bids json,
    asks json,
    last text collate "C",
    mid numeric,
    weighted numeric,
    spread_bps numeric,
    state text collate "C",
    open numeric,
    high numeric,
    low numeric,
    volume numeric,
    vwap numeric,
    sources integer,
    fresh integer,
    left_out json,
    primary key (shard, symbol)
);

create table brokerfix.route_decisions (
    shard smallint not null,
    id text collate "C" not null,
    at timestamptz,
    order_id text collate "C",
    mode text collate "C",
    qty numeric,
    quotes json,
    exchanges json,
    expected_qty numeric,
    expected_px numeric,
    expected_fee numeric,
    note text collate "C",
    primary key (shard, id)
) partition by list (shard);

create table brokerfix.sessions (
    shard smallint not null,
    kind text collate "C" not null,
    name text collate "C" not null,
    state text collate "C",
    since timestamptz,
    primary key (shard, kind, name)
);

-- How far each broker's journal is in here, and when its last record that is was written.
create table brokerfix.progress (
    shard smallint primary key,
    broker text not null,
    segment text not null,
    "offset" bigint not null,
    last_id bigint not null,
    written timestamptz
);
