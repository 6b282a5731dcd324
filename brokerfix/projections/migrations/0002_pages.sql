-- fits: 1
-- What pages are read by (`tables.number_of` is what they are sorted by), and how old what each broker has in here is.

create index orders_pages on brokerfix.orders
    (shard, client, (case substr(order_id, 12, 1)
        when '-' then (cast(substr(order_id, 1, 8) as bigint) * 100 + cast(substr(order_id, 10, 2) as bigint)) * 1000000000
            + cast(substr(order_id, 13) as bigint)
        else cast(substr(order_id, 1, 8) as bigint) * 1000000000 + cast(substr(order_id, 10) as bigint) end));
create index orders_names on brokerfix.orders (shard, client, cl_ord_id);
create index executions_pages on brokerfix.executions
    (shard, client, (case substr(exec_id, 12, 1)
        when '-' then (cast(substr(exec_id, 1, 8) as bigint) * 100 + cast(substr(exec_id, 10, 2) as bigint)) * 1000000000
            + cast(substr(exec_id, 13) as bigint)
        else cast(substr(exec_id, 1, 8) as bigint) * 1000000000 + cast(substr(exec_id, 10) as bigint) end));
create index executions_orders on brokerfix.executions (shard, order_id);
create index child_orders_orders on brokerfix.child_orders (shard, order_id);
create view brokerfix.age as select shard, broker, last_id, written, now() - written as age from brokerfix.progress;
