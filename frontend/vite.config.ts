import { createHash } from "node:crypto";
import { createRequest, stringifyDocument } from "@urql/core";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";
import * as documents from "./src/gql/graphql.ts";

/** Where `npm run dev` finds the gateway; `make run` serves it there. */
const GATEWAY = process.env.GATEWAY ?? "http://127.0.0.1:8000";

/**
 * Writes down the page's operations, to the letter as urql sends them, for a gateway that shall run nothing else
 * (TRUSTED_DOCUMENTS and TRUSTED_DOCUMENTS_ONLY).
 */
function trustedDocuments(): Plugin {
  return {
    name: "trusted-documents",
    generateBundle() {
      // Fragments are there by themselves as well (`CardFragmentDoc`), and are no operations.
      const texts = Object.entries(documents)
        .filter(([name]) => name.endsWith("Document"))
        .map(([, one]) => stringifyDocument(createRequest(one.toString(), {}).query));
      const byHash = texts.map((text) => [`sha256:${createHash("sha256").update(text).digest("hex")}`, text]);
      const source = JSON.stringify(Object.fromEntries(byHash), null, 1);
      this.emitFile({ type: "asset", fileName: "trusted-documents.json", source });
    },
  };
}

export default defineConfig({
  base: "./", // a proxy may serve the page under a path of its own
  plugins: [react(), trustedDocuments()],
  build: {
    target: "es2022",
    // light-dark() stays as it is: every browser since May 2024 knows it.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    // The content policy allows no data: styles or scripts, so nothing is put inline.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/graphql": GATEWAY, "/demo": GATEWAY } },
});
