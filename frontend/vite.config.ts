import { readFileSync } from "node:fs";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/** Where `npm run dev` finds the gateway; `make run` serves it there. */
const GATEWAY = process.env.GATEWAY ?? "http://127.0.0.1:8000";

/** Puts the manifest of the page's operations beside the build, for the gateway's TRUSTED_DOCUMENTS. */
function trustedDocuments(): Plugin {
  return {
    name: "trusted-documents",
    generateBundle() {
      const source = readFileSync("src/gql/persisted-documents.json", "utf8");
      this.emitFile({ type: "asset", fileName: "trusted-documents.json", source });
    },
  };
}

export default defineConfig({
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
