export * from "brokerfix-blotter/cells.js";
export * from "brokerfix-blotter/groups.js";
export * from "brokerfix-blotter/sets.js";
