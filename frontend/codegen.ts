import type { CodegenConfig } from "@graphql-codegen/cli";

// Typed documents for every operation below src/, from the schema that the gateway itself prints. They are made at build
// time and never committed.
const config: CodegenConfig = {
  schema: "../schema.graphql",
  documents: "src/**/*.graphql",
  generates: {
    "src/gql/": {
      preset: "client",
      presetConfig: {
        fragmentMasking: false,
      },
      config: {
        documentMode: "string",
        enumsAsTypes: true,
        scalars: { Date: "string", DateTime: "string", JSON: "unknown", URL: "string", ID: "string" },
        skipTypename: false,
        useTypeImports: true,
      },
    },
  },
};

export default config;
