import type { CodegenConfig } from "@graphql-codegen/cli";

// Typed documents for every operation below src/, from the schema that the gateway itself prints. They are made at build
// time and never committed. The manifest (hash to text) beside them is what the gateway may be told to accept alone:
// TRUSTED_DOCUMENTS.
const config: CodegenConfig = {
  schema: "../schema.graphql",
  documents: "src/**/*.graphql",
  generates: {
    "src/gql/": {
      preset: "client",
      presetConfig: {
        fragmentMasking: false,
        persistedDocuments: { hashAlgorithm: "sha256" },
      },
      config: {
        documentMode: "string",
        enumsAsTypes: true,
        scalars: { DateTime: "string", JSON: "unknown", ID: "string" },
        skipTypename: false,
        useTypeImports: true,
      },
    },
  },
};

export default config;
