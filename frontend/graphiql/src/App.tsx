import { GraphiQL } from 'graphiql';
import { ask } from './ask';
import { tabs } from './examples';
import { IdentityBar } from './IdentityBar';

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
          visiblePlugin="Documentation Explorer"
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
