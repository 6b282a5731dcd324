export * from "brokerfix-blotter/boxes.js";
export * from "brokerfix-blotter/cells.js";
export * from "brokerfix-blotter/groups.js";
export * from "brokerfix-blotter/rows.js";
export * from "brokerfix-blotter/sets.js";
