/** The queries that a newcomer finds in the tabs, in the order of their files. Tests run each on the demo data. */
const files: Record<string, string> = import.meta.glob('./examples/*.graphql', {
  query: '?raw',
  import: 'default',
  eager: true,
});

export const tabs = Object.keys(files)
  .sort()
  .map((path) => ({ query: files[path] ?? '' }));
