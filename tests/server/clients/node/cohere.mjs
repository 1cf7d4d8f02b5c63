// Cohere's client: the ranking of the documents, which follow the query in the texts given as JSON.
import { CohereClientV2 } from "cohere-ai";

const [url, key, texts] = process.argv.slice(2);
const [query, ...documents] = JSON.parse(texts);
const client = new CohereClientV2({ token: key, environment: url });
const answer = await client.rerank({ model: "m", query, documents });
console.log(JSON.stringify(answer.results.map((item) => [item.index, item.relevanceScore])));
