// node main.mjs http://127.0.0.1:8000/graphql TOKEN
import { feedPage } from "./dist/feed-page.js";

const [url, token] = process.argv.slice(2);
await feedPage(url, token, console.log);
