// LangChain's class for OpenAI's service: the vectors of the texts that are given as JSON.
import { OpenAIEmbeddings } from "@langchain/openai";

const [url, key, texts] = process.argv.slice(2);
const embeddings = new OpenAIEmbeddings({ apiKey: key, configuration: { baseURL: `${url}/v1` } });
console.log(JSON.stringify(await embeddings.embedDocuments(JSON.parse(texts))));
