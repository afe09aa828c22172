/** Tools and categories to filter projects by. */

import { CategoriesDocument, ToolsDocument } from "../gql/graphql";
import type { Gateway } from "./gateway";

export interface Term {
  key: string;
  name: string;
}

/** Tools shown to choose from at a time. */
const TOOLS_SHOWN = 24;

export async function fetchCategories(gateway: Gateway, signal: AbortSignal): Promise<Term[]> {
  return (await gateway.ask(CategoriesDocument, {}, signal)).categories;
}

/** Tools by name, or those that a few letters or words find. */
export async function fetchTools(gateway: Gateway, search: string, signal: AbortSignal): Promise<Term[]> {
  const { tools } = await gateway.ask(ToolsDocument, { search: search || null, first: TOOLS_SHOWN }, signal);
  return tools.nodes;
}
