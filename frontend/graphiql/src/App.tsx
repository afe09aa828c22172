import { GraphiQL } from 'graphiql';
import { ask } from './ask';
import { tabs } from './examples';
import { IdentityBar } from './IdentityBar';

/** The reference is open beside the query where both have room; elsewhere the book at the left opens it. */
const reference = matchMedia('(min-width: 56rem)').matches ? { visiblePlugin: 'Documentation Explorer' } : {};

/** GraphiQL with the reference open beside the query, and above it who asks. */
export function App() {
  return (
    <>
      <IdentityBar />
      <main>
        <GraphiQL
          fetcher={ask}
          defaultTabs={tabs}
          schemaDescription
          {...reference}
          defaultEditorToolsVisibility={false}
        >
          <GraphiQL.Logo>
            <></>
          </GraphiQL.Logo>
        </GraphiQL>
      </main>
    </>
  );
}
