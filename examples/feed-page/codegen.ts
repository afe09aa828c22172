import type { CodegenConfig } from "@graphql-codegen/cli";

const config: CodegenConfig = {
  schema: "schema.graphql", // the gateway's own: `.venv/bin/explore schema` prints it; or its address
  documents: "feed-page.ts",
  generates: {
    "gql/": {
      preset: "client",
      presetConfig: { persistedDocuments: { hashAlgorithm: "sha256" } },
      config: {
        scalars: { Date: "string", DateTime: "string", JSON: "unknown", URL: "string" },
        enumsAsTypes: true,
        useTypeImports: true,
        emitLegacyCommonJSImports: false,
      },
    },
  },
};

export default config;
