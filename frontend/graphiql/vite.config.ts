import { defineConfig } from 'vite';

/** Where `npm run dev` sends queries: the gateway of `make run`. */
const GATEWAY = 'http://127.0.0.1:8000';

export default defineConfig({
  base: './', // gateway/assets.py serves the page at /graphql, and its files beside it
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1500, // kB: an editor with a parser of GraphQL
    rolldownOptions: {
      output: { keepNames: true }, // GraphiQL makes the names of its icons from those of its functions
      // Radix marks its modules "use client", which means nothing outside of a React server.
      onLog: (level, log, print) => log.code !== 'MODULE_LEVEL_DIRECTIVE' && print(level, log),
    },
  },
  server: { proxy: { '/graphql': GATEWAY, '/demo': GATEWAY } },
});
