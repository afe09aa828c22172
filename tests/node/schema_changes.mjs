// Compares two schemas with graphql-inspector: node schema_changes.mjs OLD NEW prints what changed, and how grave it is.
import { readFileSync } from "node:fs";
import { diff } from "@graphql-inspector/core";
import { buildSchema } from "graphql";

const [before, after] = process.argv.slice(2).map((path) => buildSchema(readFileSync(path, "utf8")));
const changes = await diff(before, after);
const told = changes.map(({ criticality, message, path }) => ({ level: criticality.level, message, path: path ?? "" }));
console.log(JSON.stringify(told));
