// Ollama's client: the vectors of the texts that are given as JSON.
import { Ollama } from "ollama";

const [url, key, texts] = process.argv.slice(2);
const client = new Ollama({ host: url, headers: { Authorization: `Bearer ${key}` } });
const answer = await client.embed({ model: "all-minilm", input: JSON.parse(texts) });
console.log(JSON.stringify(answer.embeddings));
